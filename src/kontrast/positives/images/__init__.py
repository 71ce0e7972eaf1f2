"""Two looks at the same picture: how views are drawn, and the one call that makes them.

A view is drawn, not remembered: every parameter is a pure function of (seed, epoch, sample id, view, purpose), so the
same view comes back for any batch, worker, process count or resume. `view` says what can be drawn, `draw` makes the
numbers; `fused` (fast) or `exact` turn them into pixels; `papers` holds the recipes.

Shapes: B pictures, C channels, H and W their sides.
"""

from __future__ import annotations

import numpy as np
from torch import Tensor

from kontrast.positives.images import exact, fused
from kontrast.positives.images.draw import draw
from kontrast.positives.images.view import Drawn, Keys, Mode, Recipe, View
from kontrast.preprocessing import Pictures

__all__ = ["Drawn", "Keys", "Recipe", "View", "draw", "views"]


def views(pictures: Pictures, recipe: Recipe, keys: Keys, *, mode: Mode = "fast") -> list[Tensor]:
    """One float32 tensor (B, C, size, size) for each view of the recipe, normalised: (pixel / white - mean) / std.

    `pictures` is (B, C, H, W), or a list of (C, H, W) of mixed sizes; uint8, uint16, or float32 in [0, 1]. A picture's
    view is bit-equal on one device in any batch of its kind (tensor or list). `mode="fast"`: one linear map, the hue in
    YIQ, one clamp; `"exact"`: torchvision's float operations, one by one. ValueError where these do not fit together.
    """
    if len(pictures) != len(keys.ids_B):
        raise ValueError(f"keys.ids_B names {len(keys.ids_B)} samples, but there are {len(pictures)} pictures.")
    each = pictures[:1] if isinstance(pictures, Tensor) else pictures  # those of a tensor have one shape
    if any(picture.shape[0] != len(recipe.mean) for picture in each):
        raise ValueError(f"The recipe {recipe.name} is for {len(recipe.mean)} channels; the pictures have others.")
    sizes_B2 = np.broadcast_to([picture.shape[1:] for picture in each], (len(pictures), 2))
    render = {"fast": fused.render, "exact": exact.render}[mode]
    return [render(pictures, view, draw(view, n, keys, sizes_B2), recipe) for n, view in enumerate(recipe.views)]
