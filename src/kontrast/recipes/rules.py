"""What depends on the data and the machine: the table of rules, each with the one-line reason that a run prints.

`resolve.planned` lays them between the user's words and the published recipe. What one method wants otherwise stands
beside its recipe, as `rules(scale)`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kontrast.settings import Settings, pairs

SMALL_PICTURE = 64  # pixels up to which the CIFAR recipe is the nearer one


@dataclass(frozen=True)
class Facts:
    """What the rules look at."""

    n: int  # samples to train on
    side: int  # shorter side of the typical picture, in pixels
    channels: int
    gpu: bool
    fast_bf16: bool  # the processor multiplies bf16 in hardware
    partners: bool = False  # sentences come with their positives
    weights: tuple[str, int] | None = None  # those it begins with: the encoder's name, the size of its pictures
    held_out: int = 0  # samples for checks


def power_of_two(limit: float) -> int:
    """The largest power of two that is at most `limit`, and at least 2."""
    return 1 << max(1, int(limit).bit_length() - 1)


def by_size(facts: Facts, requested: Settings, published: Settings) -> dict[str, tuple[Any, str]]:
    """The table: what depends on the data and the machine, with a one-line reason each."""
    small = facts.side <= SMALL_PICTURE
    batch = requested.batch_size or min(512, power_of_two(facts.n / 4))
    epochs = requested.epochs or next(epochs for limit, epochs in EPOCHS if facts.n < limit)
    steps = max(1, facts.n // batch) * epochs
    muon = (requested.optimizer or "").split(":")[0] == "muon"
    rule = "for Muon" if muon else "for AdamW"
    table: dict[str, tuple[Any, str]] = {
        "channels": (facts.channels, "as the pictures are"),
        "batch_size": (batch, f"at most 512 and at most a quarter of the {facts.n:,} samples"),
        "epochs": (epochs, f"{steps:,} steps of {batch} on {facts.n:,} samples"),
        "warmup": (epochs / 20, "a twentieth of the run"),
        "optimizer": ("adamw", "batches of up to 512 need no LARS, and small nets learn faster with Adam"),
        "schedule": ("cosine", rule),
        "zero_init": (published.zero_init, "as published"),
        "lr": (1e-2, f"{rule}; the best of three on CIFAR-10") if muon else (2e-3, f"{rule}; measured on digits"),
        "weight_decay": (1e-4, rule),
        "temperature": (0.2, "between the 0.1 (ImageNet) and 0.5 (CIFAR-10) that SimCLR published"),
        "image_size": (facts.side, "the pictures' own size"),
        "views": (published.views, "as published"),
        "encoder": ("resnet18", "the smallest net of the papers"),
        "precision": ("fp32", "this processor has no fast bf16"),
    }
    if requested.optimizer is not None and requested.optimizer == (published.optimizer or "").split(":")[0]:
        assert published.lr and published.batch_size
        rate = published.lr * batch / published.batch_size
        table["schedule"] = (published.schedule, "as published")
        table["lr"] = (rate, f"{published.lr:g} as published for {published.batch_size:,}, in proportion to the batch")
        table["weight_decay"] = (published.weight_decay, "as published")
    if not small:
        table["image_size"] = (224, "as published") if facts.gpu else (96, "what a CPU trains in reasonable time")
    if small and facts.channels == 1:
        table["temperature"] = (
            0.5,
            "small grey pictures look alike; measured on digits: k-means 0.95, and 0.79 with 0.2",
        )
        table["views"] = ("affine", "small grey pictures: mild rotation, scale, shear, shift; crops would cut strokes")
    if small and not facts.gpu:
        table["encoder"] = ("small", "small pictures on a CPU")
    if facts.gpu or facts.fast_bf16:
        table["precision"] = ("bf16", "this device multiplies bf16 in hardware")
    if facts.weights is not None:
        name, size = facts.weights
        table["encoder"] = (name, "that of the weights")
        table["image_size"] = (size, "the size that the weights have known")
    return table


FEW_PAIRS = (
    50_000  # up to here two trained towers stand still: their projections have as many weights as there are pairs
)


def by_pairs(facts: Facts, requested: Settings, published: Settings) -> dict[str, tuple[Any, str]]:
    """The same for pictures with captions. Two trained towers stand still where pairs are too few to move them."""
    table = by_size(facts, requested, published)
    own = pairs(requested.set, "--set")
    text = str(own.get("text") or "")
    if facts.weights is None or not text or not Path(text).is_dir():
        return table
    n = facts.n
    lock = str(own.get("lock", "image text" if n <= FEW_PAIRS else ""))
    if set(lock.split()) != {"image", "text"}:
        few = f"{n:,} pairs are enough to move them" if "lock" not in own else "as you say"
        table["lr"] = (1e-4, "trained towers are moved gently")
        return table | ({} if "lock" in own else {"lock": ("", few)})
    batch = requested.batch_size or min(500, max(2, n // 2))
    epochs = requested.epochs or 60
    steps = max(1, n // batch) * epochs
    return table | {
        "lock": (lock, f"both towers are trained and {n:,} pairs are few: each is read once, projections learn"),
        "looks": (
            3,
            "a locked tower reads each picture as it was trained to and in two crops, once; epochs take seconds",
        ),
        "drop": (0.5, "of what the picture tower read; few pairs are learned by heart without it"),
        "drop_text": (0.1, "of what the text tower read; each picture has several captions to differ by"),
        "batch_size": (batch, f"measured with two locked towers; at most half of the {n:,} samples"),
        "epochs": (epochs, f"{steps:,} steps of {batch} on what the towers have read"),
        "warmup": (epochs / 20, "a twentieth of the run"),
        "lr": (3e-3, "for projections alone; measured with two locked towers"),
        "precision": ("fp32", "two projections cost next to nothing"),
    }


def by_text(facts: Facts, requested: Settings, published: Settings) -> dict[str, tuple[Any, str]]:
    """The same for sentences. What begins with learned weights is moved gently, as published."""
    encoder = requested.encoder or "small"
    fresh = encoder in ("small", "static")
    knows = (Path(encoder) / "modules.json").is_file()  # a sentence model, and not a language model as in the paper
    batch = requested.batch_size or min(64 if published.views == "dropout" else 128, power_of_two(facts.n / 4))
    epochs = requested.epochs or (10 if fresh else 1 if knows else published.epochs or 1)
    steps = max(1, facts.n // batch) * epochs
    rate = {"small": 5e-4, "static": 1e-2}.get(encoder, published.lr)
    why = "for random weights" if fresh else "as published"
    if knows:
        rate, why = (GENTLE, GENTLY) if facts.partners else (LEAST, ALONE)
    looks = {}
    if knows and facts.partners and facts.held_out:
        looks["evaluate_every"] = (max(20, steps // 4), "steps; the best weights are kept, the first ones among them")
    return looks | {
        "batch_size": (batch, f"at most 128 and at most a quarter of the {facts.n:,} samples"),
        "epochs": (epochs, f"{steps:,} steps of {batch} on {facts.n:,} samples"),
        "warmup": (epochs / 20, "a twentieth of the run") if fresh else (published.warmup, "as published"),
        "schedule": (published.schedule, "as published"),
        "optimizer": ("adamw", "as published"),
        "lr": (rate, why),
        "weight_decay": (0.0, "as published"),
        "temperature": (0.05, "as published"),
        "views": ("crop" if encoder == "static" and not facts.partners else published.views, VIEWS_OF_TEXT),
        "encoder": (encoder, "a tokenizer and a small transformer of the data's own; a pretrained folder learns more"),
        "precision": ("bf16", "this device multiplies bf16 in hardware")
        if facts.gpu or facts.fast_bf16
        else ("fp32", "this processor has no fast bf16"),
    }


GENTLE, LEAST = 1e-5, 1e-6  # rates for weights that are a sentence model already
GENTLY = "a sentence model is moved gently: a fifth of the rate that made one of a language model"
ALONE = (
    "a sentence model knows more than dropout can teach: at the published rate it gets worse. Give pairs of your own "
    "(titles and bodies, questions and answers); learning from single sentences by denoising (TSDAE) is another method"
)
VIEWS_OF_TEXT = "word vectors have no dropout to differ by: they take spans; else as published"


@dataclass(frozen=True)
class Scale:
    """What the rules of one method look at: `rules(scale)` of its recipe file gives settings, and fields of its Config.

    own    the numbers of the method that the user said
    paper  all that were published
    """

    samples: int
    batch: int
    steps: int
    own: Mapping[str, Any]
    paper: Mapping[str, Any]


def twin_momentum(steps: int) -> tuple[float, str]:
    """The papers' 0.996 and more were found for hundreds of thousands of steps."""
    return min(0.99, max(0.9, round(1 - 30 / steps, 4))), f"the twin must follow within a run of {steps:,} steps"


def head_norm(steps: int) -> tuple[bool, str]:
    """Whether the last layer of a head gets a BatchNorm, as in MoCo v3 and SimSiam."""
    return steps < 10_000, f"outputs of a fresh net are alike, and {steps:,} steps are few to part them"


EPOCHS = ((5_000, 60), (20_000, 40), (100_000, 20), (1_000_000, 10), (float("inf"), 2))

FIXED: dict[str, tuple[Any, str]] = {
    "pretrained": (False, "from random weights"),
    "view_mode": ("fast", "not behind exact on CIFAR-10 over 5 seeds"),
    "similarity": ("cosine", "as published"),
    "decoupled": (False, "as published"),
    "negatives": ("", "as published"),
    "validate": ("part", "a part of the data is held out"),
    "seed": (0, "the default seed"),
    "workers": (0, "small sets need none"),
    "checkpoint_every": (5.0, "minutes; also every epoch"),
    "strict": (False, "broken files are skipped and named"),
    "follow_links": (False, "what lies outside the folder is not read"),
    "survey": (False, "pictures of a folder are decoded when they are needed"),
}
