"""Every method on a net of a few hundred weights and made-up data: small enough to check it whole, in float64.

Shapes: B rows of a step, h x w pixels, T tokens.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from kontrast import keyed, methods
from kontrast.encoders.clip.towers import towers
from kontrast.encoders.images.encoder import ImageEncoder
from kontrast.encoders.norm import convert
from kontrast.encoders.text.bert import Bert, Shape
from kontrast.encoders.text.encoder import TextEncoder
from kontrast.encoders.weights import drawn_from
from kontrast.methods.method import Batch, Method

ROWS = 25  # of a step: 13 and 12 rows in two processes, 9, 8 and 8 in three
SAMPLES = 60  # so that samples come back while queues still hold them
STEPS = 20
SEED = 5
CONFIGS: dict[str, dict[str, Any]] = {
    "simclr": {"width": 6, "hidden": 9, "temperature": 0.3, "negatives": "queue:40+mixed:4"},
    "moco": {"width": 6, "queue": 37, "momentum": 0.9, "bn_groups": 4},
    "moco-v2": {"width": 6, "queue": 37, "momentum": 0.9, "bn_groups": 4, "symmetric": True},
    "swav": {"width": 6, "hidden": 9, "prototypes": 7, "frozen": 2, "queue": 40, "queue_from": 0.0},
    "byol": {"width": 6, "hidden": 9},
    "barlow-twins": {"width": 6, "hidden": 9},
    "clip": {},
    "simcse": {"negatives": "queue:40"},
}
NAMES = tuple(methods.METHODS)
TINY = {"width": 6, "hidden": 9}  # of any other method, where its Config has them
_TOWERS = {
    "embed_dim": 8,
    "vision_cfg": {"image_size": 8, "layers": 1, "width": 8, "head_width": 4, "patch_size": 4},
    "text_cfg": {"context_length": 6, "vocab_size": 40, "width": 8, "heads": 2, "layers": 1},
}


def method(name: str, dtype: torch.dtype = torch.float64, *, norm: str = "batch", dropout: float = 0.1) -> Any:
    """The method on its tiny encoder, in training mode."""
    made_by, _ = methods.load(name)
    encoder = encoder_for(name, norm, dropout)
    config = methods.configured(name, numbers_of(name))
    with drawn_from("verify method", SEED):
        made: nn.Module = made_by(encoder, encoder.width, config, seed=SEED)
    return made.to(dtype).train()


def numbers_of(name: str) -> dict[str, Any]:
    """Numbers that make the method tiny; where none are listed, the widths of its head."""
    if name in CONFIGS:
        return CONFIGS[name]
    held = vars(methods.load(name)[1]())
    return {field: value for field, value in TINY.items() if type(held.get(field)) is int}


def encoder_for(name: str, norm: str = "batch", dropout: float = 0.1) -> Any:
    """Pictures: two convolutions with BatchNorm and Dropout. Pairs: two transformers. Sentences: BERT's kind."""
    kind = methods.entry(name).kind
    if kind == "pairs":
        return towers(_TOWERS, seed=SEED, norm=norm)
    if kind == "texts":
        shape = Shape(vocabulary=40, width=16, layers=2, heads=2, hidden=20, dropout=dropout, attention_dropout=dropout)
        spec = {"name": "bert", "width": 16, "pooler": "cls-before-pooler", "normalize": False}
        no_words: Any = None
        return TextEncoder(Bert(shape, seed=SEED), no_words, spec, seed=SEED)
    with drawn_from("verify", SEED):
        net = nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1, bias=False),
            nn.BatchNorm2d(16),
            nn.ReLU(),
            nn.Conv2d(16, 16, 3, padding=1, bias=False),
            nn.BatchNorm2d(16),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(2),
            nn.Flatten(),
            nn.Linear(64, 10),
        )
    return ImageEncoder(convert(net, norm=norm), 10, {})


def batch(name: str, step: int, dtype: torch.dtype = torch.float64, rows: int = ROWS) -> Batch:
    """The joined batch of a step: noisy copies of each sample's own picture, words of unequal length."""
    ids_B = (torch.arange(rows) * 7 + 11 * step) % SAMPLES
    kind = methods.entry(name).kind
    if kind == "texts":
        view = _words(ids_B, step)
        return Batch((view, view), ids_B, step, STEPS, SEED)
    channels = 3 if kind == "pairs" else 1
    sides = (8, 8, 6, 6) if name == "swav" else (8,) if kind == "pairs" else (8, 8)
    views: list[Any] = []
    for v, side in enumerate(sides):
        own = _normal((SAMPLES, channels, side, side), "sample")[ids_B]
        views.append((own + 0.5 * _normal((rows, channels, side, side), "view", v, step)).to(dtype))
    if kind == "pairs":
        return Batch((views[0], _words(ids_B, 0)), ids_B, step, STEPS, SEED, groups_B=ids_B // 2)
    return Batch(tuple(views), ids_B, step, STEPS, SEED)


def _normal(shape: tuple[int, ...], *key: keyed.Key) -> Tensor:
    return torch.randn(shape, generator=keyed.generator("verify", *key), dtype=torch.float64)


def _words(ids_B: Tensor, step: int) -> dict[str, Tensor]:
    """Six places, two to six of them filled; the largest id ends a text, as in CLIP."""
    draw = keyed.generator("words", step)
    ids_BT = torch.randint(3, 38, (len(ids_B), 6), generator=draw)
    length_B = 2 + ids_B % 5
    place_T = torch.arange(6)
    mask_BT = (place_T < length_B[:, None]).long()
    ids_BT = torch.where(place_T == length_B[:, None] - 1, 39, ids_BT) * mask_BT
    return {"input_ids": ids_BT, "attention_mask": mask_BT}


def rows_of(whole: Batch, rows: slice) -> Batch:
    """The part of a batch that one process has."""
    views = tuple({k: t[rows] for k, t in v.items()} if isinstance(v, dict) else v[rows] for v in whole.views)
    groups_B = None if whole.groups_B is None else whole.groups_B[rows]
    given = {name: what[rows] for name, what in whole.given.items()}
    return replace(whole, views=views, ids_B=whole.ids_B[rows], groups_B=groups_B, given=given)


def gradient(made: Method) -> dict[str, Tensor]:
    """Every gradient by name, taken off the parameters."""
    assert isinstance(made, nn.Module)
    found = {name: p.grad.clone() for name, p in made.named_parameters() if p.grad is not None}
    made.zero_grad(set_to_none=True)
    return found


def distance(one: dict[str, Tensor], other: dict[str, Tensor]) -> float:
    """|one - other| / |other| over all tensors together; what only one of them has counts as different."""
    if one.keys() != other.keys():
        return float("inf")
    if not one:
        return 0.0
    apart = torch.stack([(one[name].double() - other[name].double()).norm() for name in one]).norm()
    size = torch.stack([tensor.double().norm() for tensor in other.values()]).norm()
    return float(apart / size) if size else float(apart)
