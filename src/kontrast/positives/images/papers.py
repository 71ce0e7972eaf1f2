"""Each paper's views, number by number, with its source; `recipe` fits them to a picture size and its channels.

| recipe       | crop     | jitter b, c, s, h (probability) | grey | blur     | solarize | pixels                |
|--------------|----------|---------------------------------|------|----------|----------|-----------------------|
| simclr       | .08 to 1 | .8 .8 .8 .2 (.8)                | .2   | .5       |          | [0, 1]                |
| simclr-cifar | .08 to 1 | .4 .4 .4 .1 (.8)                | .2   |          |          | [0, 1]                |
| moco         | .2 to 1  | .4 .4 .4 .4 (1), after grey     | .2   |          |          | ImageNet              |
| moco-v2      | .2 to 1  | .4 .4 .4 .1 (.8)                | .2   | .5       |          | ImageNet              |
| swav         | .14 to 1, small .05 to .14 | .8 .8 .8 .2 (.8) | .2 | .5     |          | ImageNet, red std .228 |
| byol, barlow-twins | .08 to 1 | .4 .4 .2 .1 (.8)          | .2   | 1 and .1 | 0 and .2 | ImageNet              |
| gentle       | .3 to 1  | .2 .2 .2 .05 (.8)               |      |          |          | [0, 1]                |
| clip         | .9 to 1  |                                 |      |          |          | CLIP's own            |

All but clip are flipped half of the time. The orders of the papers differ in the place of the flip alone, which
commutes with the rest, and in MoCo v1's grey. Brightness is multiplied, as in SimCLR v2's code and in torchvision;
DeepMind's BYOL and SimCLR v1's first code add it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from difflib import get_close_matches

from kontrast.errors import Unfit
from kontrast.positives.images.view import Recipe, View

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
SWAV = ((0.485, 0.456, 0.406), (0.228, 0.224, 0.225))  # the official code's, with its .228
CLIP = ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))  # OpenAI's code
UNSCALED = ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))  # pixels stay in [0, 1]
FULL, SMALL = (0.14, 1.0), (0.05, 0.14)  # area of full and small crops: SwAV, arXiv 2006.09882, official code


def _colour(view: View, brightness: float, contrast: float, saturation: float, hue: float) -> View:
    """Jitter of these strengths in 0.8 of the views, then grey in 0.2: SimCLR, MoCo v2, SwAV, BYOL, Barlow Twins."""
    made = replace(view, jitter=0.8, brightness=brightness, contrast=contrast, saturation=saturation, hue=hue)
    return replace(made, grey=0.2)


def simclr(size: int) -> Recipe:
    """SimCLR for ImageNet: arXiv 2002.05709, appendix A, strength 1."""
    view = replace(_colour(View(size, interpolation="bicubic"), 0.8, 0.8, 0.8, 0.2), blur=0.5)
    return Recipe("simclr", (view, view), *UNSCALED, "Chen 2020, arXiv 2002.05709, appendix A")


def simclr_cifar(size: int) -> Recipe:
    """SimCLR for CIFAR: arXiv 2002.05709, appendix B.9, strength 0.5 and no blur."""
    view = _colour(View(size, interpolation="bicubic"), 0.4, 0.4, 0.4, 0.1)
    return Recipe("simclr-cifar", (view, view), *UNSCALED, "Chen 2020, arXiv 2002.05709, appendix B.9")


def moco(size: int) -> Recipe:
    """MoCo v1: arXiv 1911.05722, section 3.3 (technical details), and the official code's order."""
    view = View(size, crop=(0.2, 1.0), grey=0.2, grey_first=True, jitter=1.0)
    view = replace(view, brightness=0.4, contrast=0.4, saturation=0.4, hue=0.4)
    return Recipe("moco", (view, view), *IMAGENET, "He 2019, arXiv 1911.05722, section 3.3, and its code")


def moco_v2(size: int) -> Recipe:
    """MoCo v2: arXiv 2003.04297, section 3, and the official code (`--aug-plus`)."""
    view = replace(_colour(View(size, crop=(0.2, 1.0)), 0.4, 0.4, 0.4, 0.1), blur=0.5)
    return Recipe("moco-v2", (view, view), *IMAGENET, "Chen 2020, arXiv 2003.04297, and its code")


def swav(size: int) -> Recipe:
    """SwAV: arXiv 2006.09882, section 4 and appendix: 2 crops of 224 and 6 of 96, both scaled to the size."""
    full = replace(_colour(View(size, crop=FULL), 0.8, 0.8, 0.8, 0.2), blur=0.5)
    small = replace(full, size=max(1, round(size * 96 / 224)), crop=SMALL)
    return Recipe("swav", (full,) * 2 + (small,) * 6, *SWAV, "Caron 2020, arXiv 2006.09882, and its code")


def byol(size: int) -> Recipe:
    """BYOL: arXiv 2006.07733, appendix B, table 6; the views differ in blur and solarize."""
    first = replace(_colour(View(size, interpolation="bicubic"), 0.4, 0.4, 0.2, 0.1), blur=1.0)
    second = replace(first, blur=0.1, solarize=0.2)
    return Recipe("byol", (first, second), *IMAGENET, "Grill 2020, arXiv 2006.07733, appendix B")


def barlow_twins(size: int) -> Recipe:
    """Barlow Twins: arXiv 2103.03230, section 2.2: BYOL's views."""
    return replace(byol(size), name="barlow-twins", source="Zbontar 2021, arXiv 2103.03230, section 2.2, and its code")


def clip(size: int) -> Recipe:
    """CLIP, one view: the paper crops a random square of the resized picture; this is open_clip's crop."""
    view = View(size, crop=(0.9, 1.0), interpolation="bicubic", flip=0.0)
    return Recipe("clip", (view,), *CLIP, "Radford 2021, arXiv 2103.00020, section 2.4; crop as in open_clip")


def affine(size: int) -> Recipe:
    """Small grey drawings: mild geometry, and a strong jitter of ink, or its amount alone would tell pairs apart."""
    moved = View(size, crop=None, flip=0.0, rotate=20.0, scale=(0.8, 1.2), shear=15.0, shift=0.12)
    view = replace(moved, jitter=0.8, brightness=0.6, contrast=0.6, blur=0.5, sigma=(0.1, 1.0), kernel=3)
    return Recipe("affine", (view, view), *UNSCALED, "kontrast's own, for digits: LOG.md")


def plain(size: int) -> Recipe:
    """Crop and flip alone, with SimCLR's crop."""
    view = View(size, interpolation="bicubic")
    return Recipe("plain", (view, view), *UNSCALED, "the crop of Chen 2020, arXiv 2002.05709")


def gentle(size: int) -> Recipe:
    """For weights that know something: SimCLR's CIFAR views at half the strength, crops of .3 and more, no grey."""
    view = replace(_colour(View(size, crop=(0.3, 1.0), interpolation="bicubic"), 0.2, 0.2, 0.2, 0.05), grey=0.0)
    return Recipe("gentle", (view, view), *UNSCALED, "kontrast's own, for trained weights: LOG.md")


def none(size: int) -> Recipe:
    """Both views are the picture itself: for pairs that the data brings, and for dropout as the only difference."""
    view = View(size, crop=None, interpolation="bicubic", flip=0.0)
    return Recipe("none", (view, view), *UNSCALED, "the picture itself")


RECIPES: dict[str, Callable[[int], Recipe]] = {
    **{"simclr": simclr, "simclr-cifar": simclr_cifar, "moco": moco, "moco-v2": moco_v2, "swav": swav, "byol": byol},
    **{"barlow-twins": barlow_twins, "clip": clip, "affine": affine, "plain": plain, "gentle": gentle},
    "none": none,
}


def recipe(name: str, image_size: int, channels: int, *, crops: str | None = None) -> Recipe:
    """The views of `name` at `image_size` pixels for pictures of `channels` channels; `crops` such as "2x224+6x96".

    What cannot be done is left out and told in `Recipe.messages`. Unfit if the name or the crops are not understood.
    """
    if name not in RECIPES:
        near = get_close_matches(name, RECIPES, n=1)
        hint = f"Did you mean {near[0]}?" if near else f"There are {', '.join(RECIPES)}."
        raise Unfit(f"--views {name} is not known. {hint}")
    made = RECIPES[name](image_size)
    if crops is not None:
        made = _with_crops(made, parse_crops(crops, image_size))
    views = tuple(replace(view, kernel=blur_taps(view.size)) for view in made.views)
    return _for_channels(replace(made, views=views), channels)


def blur_taps(size: int) -> int:
    """Taps of the blur: a tenth of the side, made odd, at least 3 (SimCLR's code: 23 at 224 pixels)."""
    return max(3, 2 * (size // 20) + 1)


def parse_crops(text: str, image_size: int | None) -> list[tuple[int, int]]:
    """``"6x96+2x224"`` as [(2, 224), (6, 96)]: largest first, as SwAV, MoCo and BYOL take the first two for full views.

    A bare number counts crops of the image size; where that is not known yet, such a text gives nothing.
    """
    terms = [re.fullmatch(r"\s*([1-9]\d*)\s*(?:[x×]\s*([1-9]\d*))?\s*", term) for term in text.split("+")]
    if None in terms:
        raise Unfit(f"--crops {text} is not understood. Write COUNTxSIZE, joined by +, such as 2x224+6x96.")
    if image_size is None and not all(term[2] for term in terms if term):
        return []
    counts: Counter[int] = Counter()
    for term in terms:
        if term:
            counts[int(term[2] or image_size or 0)] += int(term[1])
    crops = sorted(((count, size) for size, count in counts.items()), key=lambda crop: -crop[1])
    (full, largest), *small = crops
    if full < 2:
        better = "+".join(f"{count}x{size}" for count, size in [(2, largest), *small])
        raise Unfit(f"--crops {text}: two views of full size are needed, and there is 1 of {largest} px. Try {better}.")
    return crops


def _with_crops(made: Recipe, crops: list[tuple[int, int]]) -> Recipe:
    """The recipe's views in turn at these sizes. Of several the largest takes SwAV's full area, others its small."""
    largest, several = max(size for _, size in crops), len({size for _, size in crops}) > 1
    kinds = list(dict.fromkeys(view for view in made.views if view.crop != SMALL))
    views = []
    for count, size in crops:
        for k in range(count):
            kind = kinds[k % len(kinds)]
            if kind.crop is not None and several:
                kind = replace(kind, crop=FULL if size == largest else SMALL)
            elif kind.crop == FULL:
                kind = replace(kind, crop=(0.08, 1.0))  # SwAV's two-crop runs
            views.append(replace(kind, size=size))
    return replace(made, views=tuple(views))


def _for_channels(made: Recipe, channels: int) -> Recipe:
    """The recipe for pictures that are not RGB: what needs the three colours is left out, and said."""
    if channels == 3:
        return made
    views = tuple(replace(view, saturation=0.0, hue=0.0, grey=0.0) for view in made.views)
    mean, std = ((sum(of_rgb) / 3,) * channels for of_rgb in (made.mean, made.std))
    messages = []
    if views != made.views:
        messages.append(f"{channels} channel{'s' * (channels > 1)}, not RGB: saturation, hue and grey are left out")
    if made.mean != UNSCALED[0]:
        messages.append(
            f"{channels} channel{'s' * (channels > 1)}, not RGB: each is normalised by the mean of RGB's figures"
        )
    return replace(made, views=views, mean=mean, std=std, messages=tuple(messages))
