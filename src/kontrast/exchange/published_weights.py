"""Published weights as an encoder: every tensor of the file is used, known not to be needed, or the file is refused.

The names say whose file it is (`publishers`), the names and shapes together which network: nothing is read but tensors,
and nothing is guessed. What names and shapes cannot tell (the padding of a 3x3 stem, a ViT's heads) is asked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor, nn

from kontrast.encoders import weight_files
from kontrast.encoders.images.backbones import backbone, is_resnet, put_cifar_stem
from kontrast.encoders.images.by_name import image_encoder_by_name
from kontrast.encoders.images.encoder import ImageEncoder
from kontrast.encoders.images.publishers import CLASSIFIERS, Publisher, bare, elsewhere, publisher_of
from kontrast.errors import Unfit
from kontrast.preprocessing import Preprocessing

RESNETS = (
    *(f"resnet{depth}" for depth in (18, 34, 50, 101, 152)),
    *("wide_resnet50_2", "wide_resnet101_2", "resnext50_32x4d", "resnext101_32x8d"),
)
IN_SEQUENCE = {"0": "conv1", "1": "bn1", "4": "layer1", "5": "layer2", "6": "layer3", "7": "layer4"}
COUNTER = "num_batches_tracked"  # counts training steps and changes no vector; old files lack it


@dataclass(frozen=True)
class Read:
    """The tensors of a file, sorted.

    own     of the encoder, under its network's own names, classifier or projector at its end included
    named   the same names -> what they are called in the file
    left    names of what is known to be for training alone;  strange  names that nothing explains
    """

    file: Path
    whose: Publisher
    own: Mapping[str, Tensor]
    named: Mapping[str, str]
    left: Sequence[str]
    strange: Sequence[str]


@dataclass(frozen=True)
class Imported:
    """An encoder with a file's weights; used: its tensors, all from the file; unneeded: the file's other ones."""

    encoder: ImageEncoder
    used: int
    unneeded: Sequence[str]


def read(file: Path) -> Read:
    """Sort a file's tensors by the names that its publisher gives them. Unfit where it is no picture encoder's."""
    tensors = weight_files.tensors(file)
    names = bare(tensors)
    if words := elsewhere(names):
        raise Unfit(f"{file} is {words}: it needs no import.")
    if not names:
        raise Unfit(f"{file} holds no tensors by name.")
    whose = publisher_of(names)
    inside = {name: name.removeprefix(whose.encoder) for name in names if name.startswith(whose.encoder)}
    if not whose.encoder:
        inside = {name: own for name, own in inside.items() if not name.startswith(whose.left)}
    others = [name for name in names if name not in inside]
    if "0.weight" in inside.values():  # the layers of a ResNet in a row, as lightly keeps them
        inside = {name: _out_of_sequence(own) for name, own in inside.items()}
    own = {short: tensors[names[name]] for name, short in inside.items()}
    left = [names[name] for name in others if name.startswith(whose.left)]
    strange = [names[name] for name in others if not name.startswith(whose.left)]
    return Read(file, whose, own, {short: names[name] for name, short in inside.items()}, left, strange)


def encoder(read: Read, look: Preprocessing, name: str | None = None, stem: str | None = None) -> Imported:
    """The network that these tensors are of, with them in it.

    name  timm's or torchvision's; None: the ResNet of just these names and shapes
    stem  "cifar", where the first convolution is 3x3: no shape tells its padding, and whether a max-pool follows

    Raises Unfit, naming the first tensors, where one is missing, of another shape, or explained by nothing.
    """
    chosen, channels = _stem(read, stem), _channels(read)
    if len(look.mean) != channels:
        raise Unfit(f"{read.file} takes {channels} channels, but --mean and --std name {len(look.mean)}.")
    fits = (_Fit.of(read, each, channels, look.size, chosen) for each in ((name,) if name else RESNETS))
    best = _best(fits)
    if best.wrong:
        raise Unfit(_refusal(read, best, asked=bool(name)))
    made = image_encoder_by_name(best.name, channels=channels, image_size=look.size, seed=0, stem=chosen)
    weights = {each: read.own[each] for each in best.expected}
    if broken := [each for each, tensor in weights.items() if not tensor.isfinite().all()]:
        raise Unfit(f"{read.file}: {read.named[broken[0]]} holds numbers that are not finite.")
    made.net.load_state_dict(weights, strict=not best.uncounted)
    made.eval()
    made.look = replace(look)
    return Imported(made, len(weights), [*read.left, *(read.named[each] for each in best.classifier)])


@dataclass(frozen=True)
class _Fit:
    """A network held against the tensors."""

    name: str
    expected: Sequence[str]
    missing: Sequence[str]
    misshapen: Sequence[str]
    strange: Sequence[str]
    classifier: Sequence[str]
    uncounted: bool

    @property
    def wrong(self) -> int:
        return len(self.missing) + len(self.misshapen) + len(self.strange)

    @staticmethod
    def of(read: Read, name: str, channels: int, size: int, stem: str) -> _Fit:
        uncounted = not any(each.endswith(COUNTER) for each in read.own)
        shapes = {
            each: shape
            for each, shape in _shapes(name, channels, size, stem).items()
            if not (uncounted and each.endswith(COUNTER))
        }
        more = [each for each in read.own if each not in shapes]
        return _Fit(
            name,
            list(shapes),
            [each for each in shapes if each not in read.own],
            [each for each, shape in shapes.items() if each in read.own and read.own[each].shape != shape],
            [*read.strange, *(read.named[each] for each in more if not each.startswith(CLASSIFIERS))],
            [each for each in more if each.startswith(CLASSIFIERS)],
            uncounted,
        )


@lru_cache
def _shapes(name: str, channels: int, size: int, stem: str) -> Mapping[str, torch.Size]:
    """Of the tensors of a network without its classifier; none is made."""
    with torch.device("meta"):
        net: nn.Module = backbone(name, channels, size, pretrained=False)
        if stem == "cifar" and is_resnet(net):
            put_cifar_stem(net, channels)
    return {each: tensor.shape for each, tensor in net.state_dict().items()}


def _best(fits: Iterator[_Fit]) -> _Fit:
    """The first without a fault, else the one with the fewest."""
    best = next(fits)
    for fit in fits:
        if not best.wrong:
            break
        best = min(best, fit, key=lambda each: each.wrong)
    return best


def _refusal(read: Read, fit: _Fit, *, asked: bool) -> str:
    first = read.own.get("conv1.weight")
    if not asked and first is not None and first.ndim == 4 and len(first) in (128, 192, 256, 320):
        return (
            f"{read.file} is a ResNet whose every layer is {len(first) // 64} times as wide; neither timm nor "
            "torchvision has a network of that name, so nothing could load the folder."
        )
    if not asked and 2 * fit.wrong > len(fit.expected):
        return (
            f"{read.file} ({read.whose.name}) is no ResNet of {', '.join(RESNETS)}. If it is another network of timm "
            "or torchvision, name it: --as NAME."
        )
    told = [
        f"{len(names)} {what} ({', '.join(names[:3])}{', ...' if len(names) > 3 else ''})"
        for what, names in (
            ("missing", [f"{read.whose.encoder}{each}" for each in fit.missing]),
            ("of another shape", [read.named[each] for each in fit.misshapen]),
            ("explained by nothing", fit.strange),
        )
        if names
    ]
    return (
        f"{read.file} ({read.whose.name}) is not {fit.name}{'' if asked else ', the nearest network'}: "
        f"{', '.join(told)}. Nothing is written."
    )


def _out_of_sequence(name: str) -> str:
    place, dot, rest = name.partition(".")
    return IN_SEQUENCE.get(place, place) + dot + rest


def _channels(read: Read) -> int:
    """Of the pictures, by the first convolution."""
    first = next((tensor for name, tensor in read.own.items() if tensor.ndim == 4), None)
    return 3 if first is None else int(first.shape[1])


def _stem(read: Read, asked: str | None) -> str:
    """ "cifar" or "imagenet"; a 3x3 stem is taken for CIFAR's only where the user says so."""
    if asked not in (None, "cifar"):
        raise Unfit(f'--stem {asked!r}: "cifar" was expected, or nothing.')
    first = read.own.get("conv1.weight")
    three = first is not None and first.ndim == 4 and tuple(first.shape[2:]) == (3, 3)
    if not three:
        if asked:
            raise Unfit(f"--stem cifar: the first convolution of {read.file} is not 3x3.")
        return "imagenet"
    if read.whose.pads_two:
        raise Unfit(
            f"{read.file} has {read.whose.name}'s 3x3 stem, which pads by 2; no network of timm, torchvision or "
            "kontrast does, and vectors would differ."
        )
    if asked is None:
        raise Unfit(
            f"{read.file} begins with a 3x3 convolution, and no shape tells how it pads and whether a max-pool "
            "follows. If it is the stem of SimCLR's CIFAR experiments (padding 1, stride 1, no max-pool): --stem cifar."
        )
    return "cifar"
