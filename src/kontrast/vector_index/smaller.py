"""Smaller vectors with a certificate: how much of the ranking is left, on the user's own data.

    int8     one byte a number: round(127 (x - mean) / the largest |x - mean| of its column)
    binary   one bit a number: the sign of (x - mean) after a keyed rotation, which shares the spread among the columns;
             20 times as many candidates as are wanted are ranked again by the index
    float16  two bytes a number
    width    only the first columns, of unit length again: as good as the model was trained for it (Matryoshka)

Queries stay as they are: only what is stored is small. The certificate is recall@10 against the stored vectors: of the
ten nearest rows, how many are among the ten found. What is measured was read back from the disk.

Source: the rotation before the sign is that of RaBitQ (Gao and Long 2024, arXiv 2405.12497), with two numbers a row.

Shapes: N rows, D stored width, W kept width.
"""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from kontrast import keyed, progress
from kontrast.errors import Unfit
from kontrast.evaluate.knn import neighbours
from kontrast.vector_index.layout import Index

Floats = npt.NDArray[np.float32]
FITTED = 16  # shards that mean and spread are measured on
PROBES, AMONG = 500, 200_000  # rows that ask, and rows at most among which is looked
AGAIN = 20  # times as many binary candidates as are wanted are ranked again
LEAST = {"float16": 0.99, "int8": 0.98, "binary": 0.95}  # recall@10 below which nothing is written


@dataclass(frozen=True)
class Certificate:
    """recall@10 of vectors of this precision and width against the stored ones; `mark`: those of which index."""

    precision: str
    width: int
    recall_at_10: float
    among: int
    probes: int
    bytes_per_row: float
    mark: str = ""

    def line(self) -> str:
        again = f", {AGAIN} times as many candidates ranked again" if self.precision == "binary" else ""
        return (
            f"{self.precision:<8} width {self.width:>5}   recall@10 {self.recall_at_10:.4f}   "
            f"{self.bytes_per_row:,.0f} bytes a row ({self.probes:,} rows asked among {self.among:,}{again})"
        )


def shrink(index: Index, precision: str, width: int = 0, *, least: float | None = None) -> tuple[Path, Certificate]:
    """Write smaller vectors under the index, read them back, and certify them.

    width  the first columns that are kept; 0: all
    least  recall@10 below which they are refused and removed; None: 0.99 for float16, 0.98 for int8, 0.95 for binary

    `vectors.npy` (N, columns of the precision), `code.npz` (how it is read) and `certificate.json`. Unfit below
    the bound, for a precision that is none, and for a width that the index does not have.
    """
    width = width or index.meta.width
    if precision not in LEAST:
        raise Unfit(f"--precision {precision!r}: {', '.join(LEAST)} were expected.")
    if not 1 <= width <= index.meta.width:
        raise Unfit(f"--width {width}: 1 to the {index.meta.width} columns of the index were expected.")
    if least is not None and not 0 <= least <= 1:
        raise Unfit(f"--least {least}: a recall from 0 to 1 was expected.")
    folder = index.folder / "smaller" / f"{precision}-{width}"
    part = folder.with_name(f".{folder.name}.{os.getpid()}")
    part.mkdir(parents=True)
    try:
        code = code_of(index, precision, width)
        np.savez(part / "code.npz", mean=code.mean, scale=code.scale, turn=code.turn)
        _write(part / "vectors.npy", index, code)
        certificate = certified(index, part, precision, width)
        bound = LEAST[precision] if least is None else least
        if certificate.recall_at_10 < bound:
            raise Unfit(
                f"{certificate.line()}: below the bound of {bound:g}, so they are not kept. Keep more columns or more "
                "bits, train with widths (Matryoshka), or lower the bound by --least."
            )
        (part / "certificate.json").write_text(json.dumps(asdict(certificate), indent=2) + "\n")
        shutil.rmtree(folder, ignore_errors=True)
        part.rename(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return folder, certificate


@dataclass(frozen=True)
class Code:
    """How vectors become small: less `mean` (W,), times `turn` (W, W; binary alone), over `scale` (W,; int8 alone)."""

    precision: str
    mean: Floats
    scale: Floats
    turn: Floats

    def packed(self, unit_NW: Floats) -> npt.NDArray[Any]:
        """The vectors as they are stored; of binary ones the last four bytes are two float16, `_factors`."""
        if self.precision == "float16":
            return np.asarray(unit_NW, np.float16)
        apart = unit_NW - self.mean
        if self.precision == "int8":
            return np.asarray(np.clip(np.rint(apart / self.scale * 127), -127, 127), np.int8)
        turned = apart @ self.turn
        square = (turned**2).sum(axis=1)
        factor = np.maximum(square, 1e-12) / np.maximum(np.abs(turned).sum(axis=1), 1e-12)
        both = np.stack([factor, square / 2], axis=1).astype(np.float16)
        return np.concatenate([np.packbits(turned > 0, axis=1), both.view(np.uint8)], axis=1)

    def unpacked(self, stored: npt.NDArray[Any]) -> Floats:
        """What was stored, as vectors (N, W) again."""
        if self.precision == "float16":
            return stored.astype(np.float32)
        if self.precision == "int8":
            return np.asarray(self.mean + stored.astype(np.float32) * (self.scale / 127), np.float32)
        signs = np.unpackbits(stored[:, :-4], axis=1, count=len(self.mean)).astype(np.float32) * 2 - 1
        return np.asarray(self.mean + (signs * self._factors(stored)[:, :1]) @ self.turn.T, np.float32)

    def bank(self, stored: npt.NDArray[Any]) -> Floats:
        """What `asked` is multiplied with: the highest products are the nearest rows.

        Of binary vectors, with c the mean: |q - x|^2 / 2 = (q - c)(c - x) + |x - c|^2 / 2 + what is the same for all x,
        so a row is (x - c, -|x - c|^2 / 2) and a query (q - c, 1); the other precisions are cosines.
        """
        found = self.unpacked(stored)
        if self.precision != "binary":
            return np.asarray(found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-12), np.float32)
        return np.concatenate([found - self.mean, -self._factors(stored)[:, 1:]], axis=1)

    def asked(self, unit_QW: Floats) -> Floats:
        """Queries, as they are multiplied with `bank`."""
        if self.precision != "binary":
            return unit_QW
        return np.concatenate([unit_QW - self.mean, np.ones((len(unit_QW), 1), np.float32)], axis=1)

    def _factors(self, stored: npt.NDArray[Any]) -> Floats:
        """(N, 2) of binary vectors: what the signs are multiplied with, and half of |x - mean|^2."""
        return np.ascontiguousarray(stored[:, -4:]).view(np.float16).astype(np.float32)


def code_of(index: Index, precision: str, width: int) -> Code:
    """The code that fits the vectors of an index."""
    blocks = [_cut(index, index.meta.span(number), width) for number in range(min(index.meta.shards, FITTED))]
    mean = np.concatenate(blocks).mean(axis=0, dtype=np.float64).astype(np.float32)
    scale = np.full(width, 1e-12, np.float32)
    if precision == "binary":
        normal = keyed.normal("turn", np.arange(width * width)).reshape(width, width)
        return Code(precision, mean, scale, np.linalg.qr(normal)[0].astype(np.float32))
    for number in range(index.meta.shards):
        scale = np.maximum(scale, np.abs(_cut(index, index.meta.span(number), width) - mean).max(axis=0))
    return Code(precision, mean, scale, np.zeros((), np.float32))


def read_code(folder: Path, precision: str) -> Code:
    """The code of what lies in a folder."""
    with np.load(folder / "code.npz") as kept:
        return Code(precision, kept["mean"], kept["scale"], kept["turn"])


def _write(file: Path, index: Index, code: Code) -> None:
    """The vectors of all rows in their smaller form, block by block."""
    out: npt.NDArray[np.generic] | None = None
    for number in progress.passing(range(index.meta.shards), "making vectors smaller"):
        span = index.meta.span(number)
        block = code.packed(_cut(index, span, len(code.mean)))
        if out is None:
            out = np.lib.format.open_memmap(file, "w+", block.dtype, (len(index), block.shape[1]))
        out[span.start : span.stop] = block
    if isinstance(out, np.memmap):
        out.flush()


def certified(index: Index, folder: Path, precision: str, width: int) -> Certificate:
    """The certificate of what lies in the folder, read from the disk."""
    rows = min(len(index), AMONG)
    among = np.sort(keyed.permuted(np.arange(rows), len(index), "among"))
    probes = np.sort(keyed.permuted(np.arange(min(PROBES, rows)), rows, "probes"))
    full = torch.from_numpy(index.vectors.take(among))
    stored = np.load(folder / "vectors.npy", mmap_mode="r")
    code = read_code(folder, precision)
    small = torch.from_numpy(code.bank(np.asarray(stored[among])))
    cut = torch.nn.functional.normalize(full[probes][:, :width], dim=1)
    asked = torch.from_numpy(code.asked(cut.numpy()))
    k = min(11, rows)  # ten, and itself
    exact = neighbours(full[probes], full, k)[1]
    found = neighbours(asked, small, min(rows, AGAIN * k if precision == "binary" else k), unit=precision == "binary")[
        1
    ]
    if precision == "binary":
        scores = torch.einsum("qd,qkd->qk", full[probes], full[found])
        found = found.gather(1, scores.topk(k, dim=1).indices)
    hits = total = 0
    for own, right, got in zip(probes.tolist(), exact.tolist(), found.tolist()):
        wanted, given = ([row for row in side if row != own][:10] for side in (right, got))
        hits, total = hits + len(set(wanted) & set(given)), total + len(wanted)
    size = stored.nbytes / max(1, len(stored))
    return Certificate(precision, width, hits / max(1, total), rows, len(probes), size, index.mark)


def _cut(index: Index, span: range, width: int) -> npt.NDArray[np.float32]:
    vectors = index.vectors[span.start : span.stop][:, :width]
    cut: npt.NDArray[np.float32] = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    return cut
