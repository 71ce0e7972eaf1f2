"""Each paper's views, number by number, with its source. `recipe` makes them fit a picture size and its channels."""

from __future__ import annotations

from dataclasses import replace

from kontrast.errors import Unfit
from kontrast.positives.images import Recipe, View

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
UNSCALED = ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))  # pixels stay in [0, 1]


def _blur_taps(size: int) -> int:
    """A tenth of the side, made odd, at least 3 (SimCLR, appendix A: 23 taps at 224 pixels)."""
    return max(3, size // 10 + 1 - size // 10 % 2)


def recipe(name: str, image_size: int, channels: int) -> Recipe:
    """The views of a paper at `image_size` pixels for pictures of `channels` channels."""
    strong = View(
        size=image_size,
        interpolation="bicubic",
        jitter=0.8,
        brightness=0.8,
        contrast=0.8,
        saturation=0.8,
        hue=0.2,
        grey=0.2,
    )
    blurred = replace(strong, blur=0.5, kernel=_blur_taps(image_size))
    half = replace(strong, brightness=0.4, contrast=0.4, saturation=0.4, hue=0.1)
    still = View(size=image_size, crop=None, interpolation="bicubic", flip=0.0)
    mild = replace(still, rotate=15.0, scale=(0.9, 1.1), shear=10.0, shift=0.1)
    table = {
        "simclr": Recipe("simclr", (blurred, blurred), *UNSCALED, "arXiv 2002.05709, appendix A"),
        "simclr-cifar": Recipe("simclr-cifar", (half, half), *UNSCALED, "arXiv 2002.05709, appendix B.9"),
        "affine": Recipe("affine", (mild, mild), *UNSCALED, "kontrast"),
        "plain": Recipe("plain", (View(size=image_size, interpolation="bicubic"),) * 2, *UNSCALED, "kontrast"),
        "none": Recipe("none", (still, still), *UNSCALED, "kontrast"),
    }
    if name not in table:
        raise Unfit(f"--views {name} is not known. Choose one of {', '.join(table)}.")
    return _fitted(table[name], channels)


def _fitted(made: Recipe, channels: int) -> Recipe:
    """The recipe for pictures that are not RGB: what needs three colours is left out, and said."""
    if channels == 3:
        return made
    mean, std = (tuple([sum(of) / 3] * channels) for of in (made.mean, made.std))
    views = tuple(replace(view, saturation=0.0, hue=0.0, grey=0.0) for view in made.views)
    said = ()
    if views != made.views:
        said = (
            f"pictures have {channels} channel{'s' * (channels > 1)}, not 3: saturation, hue and grey are left out",
        )
    return replace(made, views=views, mean=mean, std=std, said=said)
