"""How pictures were made ready for published weights: what timm and torchvision say, as a `Preprocessing`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kontrast.errors import Unfit
from kontrast.preprocessing import Preprocessing

CROP_MODES = {"shortest": "center", "longest": "border", "squash": "squash"}  # ours -> timm's


def border(mean: Sequence[float]) -> tuple[float, ...]:
    """What timm fills a border with: the mean, as a whole number of 255 steps."""
    return tuple(round(255 * value) / 255 for value in mean)


def of_timm(config: Mapping[str, Any], name: str) -> Preprocessing:
    """From a `pretrained_cfg`; what it leaves out is timm's own default.

    Raises Unfit for what kontrast does not do: pictures that are not square, other interpolations.
    """
    import timm

    found = timm.data.resolve_data_config(pretrained_cfg=dict(config))
    _, height, width = found["input_size"]
    if height != width:
        raise Unfit(f"{name} takes pictures of {height} x {width} pixels; kontrast makes squares alone.")
    mode = next((ours for ours, theirs in CROP_MODES.items() if theirs == found["crop_mode"]), found["crop_mode"])
    mean = tuple(found["mean"])
    try:
        return Preprocessing(
            height,
            mean,
            tuple(found["std"]),
            found["interpolation"],
            found["crop_pct"],
            mode,
            border(mean) if mode == "longest" else (),
        )
    except ValueError as problem:
        raise Unfit(f"{name} makes its pictures ready in a way that kontrast does not: {problem}.") from None


def of_torchvision(name: str) -> Preprocessing:
    """From the default weights of this name."""
    import torchvision

    preset = torchvision.models.get_model_weights(name).DEFAULT.transforms()
    (size,), (resized,) = preset.crop_size, preset.resize_size
    share = size / resized
    while int(size / share) < resized:  # the quotient of rounded numbers may fall just below the whole number
        share *= 1 - 1e-9
    return Preprocessing(size, tuple(preset.mean), tuple(preset.std), preset.interpolation.value, share)


def for_channels(look: Preprocessing, channels: int) -> Preprocessing:
    """For pictures of another number of channels each is normalised by the mean of the figures."""
    if len(look.mean) == channels:
        return look
    mean, std, fill = ((sum(of) / len(of),) * channels if of else () for of in (look.mean, look.std, look.fill))
    return Preprocessing(look.size, mean, std, look.interpolation, look.crop_pct, look.resize_mode, fill)
