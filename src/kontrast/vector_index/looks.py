"""What a picture looks like from afar, for finding copies of it: no model knows a re-encoded picture better.

A thumbnail of 8 x 8 pixels less its mean colour, in the directions in which the pictures of the index differ, each
divided by how much they do (whitened): sky and ground, which all photographs share, then count for little. Measured on
planted copies (re-encoded, resized, cropped by a tenth, brightened), see the page `after_the_run`.

Shapes: N rows, S = 3 x 8 x 8 numbers.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from kontrast import keyed, progress
from kontrast.vector_index.layout import Index

SIDE = 8
FITTED = 20_000  # rows whose differences are measured
SHRUNK = 0.05  # of the mean variance, added to each: directions that hardly vary are noise
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class White:
    """How signatures are whitened: less `mean` (S,), times `turn` (S, S)."""

    mean: npt.NDArray[np.float64]
    turn: npt.NDArray[np.float64]

    def __call__(self, raw_NS: Floats) -> Floats:
        """Unit vectors (N, S)."""
        white = (raw_NS - self.mean) @ self.turn
        unit: Floats = (white / np.maximum(np.linalg.norm(white, axis=1, keepdims=True), 1e-9)).astype(np.float32)
        return unit


def raw(index: Index) -> Floats:
    """(N, S): each thumbnail reduced, less its mean colour, of unit length."""
    out = np.zeros((len(index), 3 * SIDE * SIDE), np.float32)
    for number in progress.passing(range(index.meta.shards), "looking at pictures"):
        span = index.meta.span(number)
        for row, content in zip(span, index.thumbnails(span)):
            if content:
                small = Image.open(io.BytesIO(content)).convert("RGB").resize((SIDE, SIDE), Image.Resampling.BILINEAR)
                pixels = np.asarray(small, dtype=np.float64)
                out[row] = (pixels - pixels.mean(axis=(0, 1))).ravel()
    unit: Floats = out / np.maximum(np.linalg.norm(out, axis=1, keepdims=True), 1e-9)
    return unit


def whitening(raw_NS: Floats, shrunk: float = SHRUNK) -> White:
    """How to whiten signatures like these; `shrunk` of the mean variance is added to each."""
    rows = keyed.permuted(np.arange(min(len(raw_NS), FITTED)), len(raw_NS), "looks")
    some: npt.NDArray[Any] = raw_NS[np.sort(rows)].astype(np.float64)
    mean = some.mean(axis=0)
    variance, turn = np.linalg.eigh(np.cov((some - mean).T, bias=True))
    variance = np.maximum(variance, 0)
    return White(mean, turn / np.sqrt(variance + shrunk * max(float(variance.mean()), 1e-12)))
