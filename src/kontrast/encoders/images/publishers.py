"""Whose weights a file holds, told by the names of its tensors alone: one line a program that publishes encoders.

A program that trains an encoder saves it under a name of its own, beside what only training needs. What its pictures
looked like is known where the program itself fixes it; programs that take any data leave it to their user.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from kontrast.preprocessing import Preprocessing

IMAGENET = Preprocessing(224, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), "bilinear", 0.875)
SWAV = replace(IMAGENET, std=(0.228, 0.224, 0.225))  # as main_swav.py and eval_linear.py have it; not 0.229
PARALLEL = "module."  # what DistributedDataParallel puts before every name
CLASSIFIERS = ("fc.", "head.", "heads.", "classifier.")  # what follows the features, in timm, torchvision and MoCo


@dataclass(frozen=True)
class Publisher:
    """A program and how its files look, `PARALLEL` taken off.

    marks    every such file has names that begin with each of these
    encoder  what the names of the encoder's tensors begin with
    left     what the names begin with that only training needed
    pixels   how its own evaluation makes pictures ready, where it does so in one way
    contrast whether it is known that these weights were learned by contrast
    pads_two its 3x3 CIFAR stem pads by 2, which no name or shape tells
    """

    name: str
    marks: tuple[str, ...]
    encoder: str
    left: tuple[str, ...] = ()
    pixels: Preprocessing | None = None
    contrast: bool = True
    pads_two: bool = False


_LIGHTLY = ("projection_head", "prediction_head", "backbone_momentum.", "prototypes", "memory_bank.", "criterion.")
_SOLO = ("projector.", "predictor.", "classifier.", "prototypes.", "queue", "momentum_")

PUBLISHERS = (  # the more telling first
    Publisher("MoCo", ("encoder_q.",), "encoder_q.", ("encoder_k.", "queue"), IMAGENET),
    Publisher("MoCo v3", ("base_encoder.",), "base_encoder.", ("momentum_encoder.", "predictor."), IMAGENET),
    Publisher("SwAV", ("projection_head.", "conv1."), "", ("projection_head.", "prototypes."), SWAV),
    Publisher(
        "Barlow Twins", ("backbone.", "projector.", "bn.running_mean"), "backbone.", ("projector.", "bn."), IMAGENET
    ),
    *(
        Publisher("VISSL", (f"{trunk}_feature_blocks.",), f"{trunk}_feature_blocks.", (heads,), IMAGENET)
        for trunk, heads in (
            ("", "heads."),
            ("trunk.", "heads."),
            ("base_model.model.trunk.", "base_model."),
            ("classy_state_dict.base_model.model.trunk.", "classy_state_dict."),
        )
    ),
    Publisher(
        "BYOL", ("online_encoder.net.",), "online_encoder.net.", ("online_", "target_encoder.", "net.")
    ),  # byol-pytorch
    Publisher("BYOL", ("encoder.", "projetion."), "encoder.", ("projetion.",)),  # PyTorch-BYOL spells it so
    Publisher("SimCLR", ("backbone.fc.0.",), "backbone."),
    Publisher("SimCLR", ("convnet.",), "convnet.", ("projection",)),
    Publisher("lightly", ("backbone.", "projection_head."), "backbone.", _LIGHTLY),
    Publisher("solo-learn", ("backbone.", "projector."), "backbone.", _SOLO, pads_two=True),
    Publisher("solo-learn", ("encoder.", "projector.", "classifier."), "encoder.", _SOLO, pads_two=True),  # until 2022
    Publisher("SimCLR", ("encoder.", "projector."), "encoder.", ("projector.",)),
    *(
        Publisher("a program that is not known", (within,), within, contrast=False)
        for within in ("backbone.", "encoder.")
    ),
)
PLAIN = Publisher("timm's and torchvision's names", (), "", contrast=False)

ELSEWHERE = {  # what needs no import, by its marks
    ("token_embedding.", "visual."): "the two towers of CLIP as OpenAI and open_clip name them. Put it as "
    "open_clip_model.safetensors or open_clip_pytorch_model.bin beside its open_clip_config.json; give that folder",
    ("text_model.", "vision_model."): "the two towers of CLIP as transformers names them. Give its folder",
    ("embeddings.word_embeddings.",): "a sentence encoder (SimCSE, sentence-transformers). Give its folder",
    ("bert.embeddings.",): "a sentence encoder (SimCSE, BERT). Give its folder",
}


def bare(names: Iterable[str]) -> dict[str, str]:
    """Each name as it is without `PARALLEL`, if all of them have it -> the name in the file."""
    every = list(names)
    wrapped = bool(every) and all(name.startswith(PARALLEL) for name in every)
    return {name.removeprefix(PARALLEL) if wrapped else name: name for name in every}


def publisher_of(names: Iterable[str]) -> Publisher:
    """Whose these names are, `PARALLEL` taken off; `PLAIN` where no program of the table writes such."""
    every = list(names)
    return next((known for known in PUBLISHERS if _all_there(known.marks, every)), PLAIN)


def elsewhere(names: Iterable[str]) -> str:
    """What these names are, and what to give instead, where a folder is read as it is; "" where not."""
    every = list(names)
    return next((words for marks, words in ELSEWHERE.items() if _all_there(marks, every)), "")


def _all_there(marks: tuple[str, ...], names: list[str]) -> bool:
    return all(any(name.startswith(mark) for name in names) for mark in marks)
