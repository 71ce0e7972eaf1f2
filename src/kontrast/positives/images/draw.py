"""The numbers of a view, each a pure function of (seed, epoch, sample id, view, purpose).

Shapes: B pictures, P purposes of a draw, T tries of a crop.
"""

from __future__ import annotations

from itertools import permutations

import numpy as np

from kontrast import keyed
from kontrast.positives.images.view import Drawn, Floats, Integers, Keys, View

TRIES = 10  # of a crop that fits, as torchvision
PURPOSES = (
    *(f"{what} {t}" for what in ("area", "aspect") for t in range(TRIES)),
    *("top", "left", "flip", "jitter", "brightness", "contrast", "saturation", "hue", "order", "grey", "blur", "sigma"),
    *("solarize", "angle", "scale", "shear x", "shear y", "shift x", "shift y"),
)
ORDERS = np.array(list(permutations(range(4))))  # of brightness, contrast, saturation, hue


def draw(view: View, number: int, keys: Keys, sizes_B2: Integers) -> Drawn:
    """The parameters of view `number` of each picture of this height and width, from its key alone."""
    ids_B1 = np.asarray(keys.ids_B, dtype=np.int64)[:, None]
    u_BP = keyed.uniform("view", keys.seed, keys.epoch, ids_B1, number, np.arange(len(PURPOSES)))
    u = dict(zip(PURPOSES, u_BP.T))

    def within(purpose: str, low: float, high: float) -> Floats:
        drawn: Floats = low + (high - low) * u[purpose]
        return drawn

    def factor(purpose: str, strength: float) -> Floats:
        return np.where(jitter, within(purpose, max(0.0, 1.0 - strength), 1.0 + strength), 1.0)

    jitter = u["jitter"] < view.jitter
    sides_B2 = _crop_sides(view, u_BP, sizes_B2)
    where_B2 = np.stack([u["top"], u["left"]], axis=1) if view.crop else 0.5
    corners_B2 = np.floor(where_B2 * (sizes_B2 - sides_B2 + 1)).astype(np.int64)
    return Drawn(
        top=corners_B2[:, 0],
        left=corners_B2[:, 1],
        height=sides_B2[:, 0],
        width=sides_B2[:, 1],
        flip=u["flip"] < view.flip,
        jitter=jitter,
        order=ORDERS[(u["order"] * len(ORDERS)).astype(np.int64)],
        brightness=factor("brightness", view.brightness),
        contrast=factor("contrast", view.contrast),
        saturation=factor("saturation", view.saturation),
        hue=np.where(jitter, within("hue", -view.hue, view.hue), 0.0),
        grey=u["grey"] < view.grey,
        sigma=np.where(u["blur"] < view.blur, within("sigma", *view.sigma), 0.0),
        solarize=u["solarize"] < view.solarize,
        angle=within("angle", -view.rotate, view.rotate),
        scale=within("scale", *view.scale),
        shear=np.stack([within(f"shear {axis}", -view.shear, view.shear) for axis in "xy"], axis=1),
        shift=np.stack([within(f"shift {axis}", -view.shift, view.shift) for axis in "xy"], axis=1),
    )


def _crop_sides(view: View, u_BP: Floats, sizes_B2: Integers) -> Integers:
    """Height and width of the crop: the first of ten tries that fits, else the largest of an allowed aspect."""
    if view.crop is None:
        return np.repeat(sizes_B2.min(axis=1, keepdims=True), 2, axis=1)
    (least, most), (slim, broad) = view.crop, view.aspect
    area_BT = (least + (most - least) * u_BP[:, :TRIES]) * sizes_B2.prod(axis=1, keepdims=True)
    aspect_BT = slim * (broad / slim) ** u_BP[:, TRIES : 2 * TRIES]
    tries_BT2 = np.round(np.sqrt(np.stack([area_BT / aspect_BT, area_BT * aspect_BT], axis=2))).astype(np.int64)
    fits_BT = ((tries_BT2 > 0) & (tries_BT2 <= sizes_B2[:, None])).all(axis=2)
    first_B2 = tries_BT2[np.arange(len(sizes_B2)), fits_BT.argmax(axis=1)]
    whole_B2 = np.round(sizes_B2[:, ::-1] * [1 / slim, broad]).astype(np.int64)
    return np.where(fits_BT.any(axis=1, keepdims=True), first_B2, np.clip(whole_B2, 1, sizes_B2))
