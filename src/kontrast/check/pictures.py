"""One look at every picture: size, colour, light, sharpness, a hash of its pixels, and what it looks like from afar.

The outcome is kept in the user's cache under a key of the data, so thresholds move without another look.

Shapes: M pictures that can be read, S = 3 x 8 x 8 numbers, B pictures at once, C channels, H height, W width.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d, avg_pool2d

from kontrast import progress
from kontrast.check import kept
from kontrast.data.pixels.store import Lost, digest
from kontrast.data.source import Source
from kontrast.keyed import Ids
from kontrast.vector_index.looks import SIDE

AT_ONCE = 128
GREY = torch.tensor([0.299, 0.587, 0.114])[:, None, None]
DARK, FLAT = 0.06, 0.006  # brightness, and its spread, of 1: below, a picture is dark or of one colour
SHARP = 0.3  # of the set's median share of fine detail; below, a picture is blurred
SEEN = 0.05  # share of fine detail from which on a picture is never called blurred


@dataclass(frozen=True)
class Looked:
    """What every picture is like; `ids` are those that can be read, in order.

    size_M2    height and width, as read;  grey_M  whether it has no colour
    bright_M   mean brightness, 0 to 1;  spread_M  its standard deviation
    sharp_M    share of the spread that lies between neighbours of a pixel
    digest_M   hash of the pixels;  small_MS  8 x 8 pixels
    seconds    that reading and decoding one took
    """

    ids: Ids
    broken: dict[int, str]
    size_M2: npt.NDArray[np.int32]
    grey_M: npt.NDArray[np.bool_]
    bright_M: npt.NDArray[np.float32]
    spread_M: npt.NDArray[np.float32]
    sharp_M: npt.NDArray[np.float32]
    digest_M: npt.NDArray[np.uint8]
    small_MS: npt.NDArray[np.uint8]
    seconds: float

    def dark(self) -> Ids:
        """Pictures in which nearly all is black."""
        return self.ids[(self.bright_M < DARK) & (self.spread_M >= FLAT)]

    def flat(self) -> Ids:
        """Pictures of one colour."""
        return self.ids[self.spread_M < FLAT]

    def blurred(self) -> Ids:
        """Pictures with far less fine detail than is usual here."""
        line = min(SEEN, SHARP * float(np.median(self.sharp_M))) if len(self.ids) else 0.0
        return self.ids[(self.sharp_M < line) & (self.spread_M >= FLAT)]

    def looks(self) -> npt.NDArray[np.float32]:
        """(M, S): what `vector_index.looks` compares. Pictures of one colour are zeros, near to nothing."""
        values = self.small_MS.astype(np.float32).reshape(len(self.ids), SIDE * SIDE, 3)
        values = (values - values.mean(axis=1, keepdims=True)).reshape(len(self.ids), -1)
        values[self.spread_M < FLAT] = 0
        unit: npt.NDArray[np.float32] = values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-9)
        return unit


def looked(source: Source, key: str) -> Looked:
    """Look at all pictures of the source, or remember it. key: names the data and their state."""
    found = kept.found(f"pictures-{key}")
    if found is not None:
        broken = dict(zip(found.pop("broken_ids").tolist(), kept.texts(found.pop("broken_why"))))
        return Looked(broken=broken, seconds=float(found.pop("seconds")), **found)
    fresh = _looked(source)
    columns = {name: value for name, value in vars(fresh).items() if name not in ("broken", "seconds")}
    columns |= {"broken_ids": np.array(list(fresh.broken), np.int64), "broken_why": kept.letters(fresh.broken.values())}
    kept.keep(f"pictures-{key}", columns | {"seconds": np.array(fresh.seconds)})
    return fresh


def _looked(source: Source) -> Looked:
    broken: dict[int, str] = {}
    rows: list[tuple[int, dict[str, Any]]] = []
    seconds, parts = 0.0, np.array_split(source.ids, max(1, -(-len(source.ids) // AT_ONCE)))
    for part in progress.passing(parts, "looking at pictures", each=AT_ONCE, total=len(source.ids)):
        began = time.perf_counter()
        ids, pictures = _read(source, part, broken)
        seconds += time.perf_counter() - began
        for place, facts in _facts(pictures, source.white):
            rows.append((int(ids[place]), facts))
    ids = np.array([sample for sample, _ in rows], dtype=np.int64)
    kinds: dict[str, Any] = {"size_M2": np.int32, "grey_M": np.bool_, "digest_M": np.uint8, "small_MS": np.uint8}
    names = ("size_M2", "grey_M", "bright_M", "spread_M", "sharp_M", "digest_M", "small_MS")
    columns: dict[str, Any] = {
        name: np.array([facts[name] for _, facts in rows], kinds.get(name, np.float32)) for name in names
    }
    return Looked(ids, broken, seconds=seconds / max(1, len(source.ids)), **columns)


def _read(source: Source, ids: Ids, broken: dict[int, str]) -> tuple[Ids, Tensor | list[Tensor]]:
    """(those of the ids that can be read, their pictures); the others go to `broken`."""
    while len(ids):
        try:
            return ids, source.images(ids)
        except Lost as lost:
            broken.update(lost.reasons)
            ids = np.setdiff1d(ids, list(lost.reasons))
    return ids, []


def _facts(pictures: Tensor | list[Tensor], white: int) -> Iterator[tuple[int, dict[str, Any]]]:
    """(place, facts) of each picture."""
    stacks = [pictures] if isinstance(pictures, Tensor) else [picture[None] for picture in pictures]
    place = 0
    for stack_BCHW in stacks:
        plain = np.ascontiguousarray(stack_BCHW.numpy())
        colour_BCHW = stack_BCHW.float() / white
        colour_BCHW = (
            colour_BCHW if colour_BCHW.shape[1] == 3 else colour_BCHW.mean(1, keepdim=True).expand(-1, 3, -1, -1)
        )
        luma_B1HW = (colour_BCHW * GREY).sum(1, keepdim=True)
        spread_B = luma_B1HW.std((1, 2, 3), unbiased=False)
        fine_B1HW = luma_B1HW - avg_pool2d(luma_B1HW, 3, 1, 1, count_include_pad=False)
        sharp_B = fine_B1HW.std((1, 2, 3), unbiased=False) / spread_B.clamp(min=1e-6)
        grey_B = (colour_BCHW.amax(1) - colour_BCHW.amin(1)).amax((1, 2)) <= 2 / 255
        small_BS = (adaptive_avg_pool2d(colour_BCHW, SIDE) * 255).round().permute(0, 2, 3, 1).flatten(1).to(torch.uint8)
        for row in range(len(plain)):
            yield (
                place,
                {
                    "size_M2": plain.shape[2:],
                    "grey_M": bool(grey_B[row]),
                    "bright_M": float(luma_B1HW[row].mean()),
                    "spread_M": float(spread_B[row]),
                    "sharp_M": float(sharp_B[row]),
                    "digest_M": np.frombuffer(digest(repr(plain[row].shape).encode() + plain[row].tobytes()), np.uint8),
                    "small_MS": small_BS[row].numpy(),
                },
            )
            place += 1
