"""Two dimensions of many: PCA, t-SNE or UMAP, and how much of the neighbourhood each keeps.

A map is read as if near meant alike, so the share of each row's ten nearest rows that stay among its ten nearest on the
map stands beside it, with what a random layout keeps.

Shapes: N rows, D width.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np
import numpy.typing as npt
import torch

from kontrast import keyed, progress
from kontrast.errors import Unfit
from kontrast.evaluate.knn import neighbours
from kontrast.keyed import Ids
from kontrast.vector_index.layout import Index

LEAST = 5  # rows
TSNE_UP_TO = 5_000  # rows; t-SNE takes 20 s for them
FITTED = 20_000  # rows that a UMAP is fitted on; the others are placed by their nearest fitted rows
MEASURED = 2_000  # rows whose neighbourhood is compared
NEAREST = 10
CALLED = {"pca": "PCA", "tsne": "t-SNE", "umap": "UMAP"}


@dataclass(frozen=True)
class Layout:
    """Places (N, 2), how they were found, and the share of neighbours kept; `chance` is that of a random layout."""

    places: npt.NDArray[np.float32]
    how: str
    kept: float
    chance: float

    def line(self) -> str:
        return f"{CALLED[self.how]} keeps {self.kept:.0%} of the ten nearest; a random layout keeps {self.chance:.1%}"


def layout(index: Index, how: str = "auto", *, seed: int = 0) -> Layout:
    """Where each row lies on the map. `auto`: t-SNE up to 5,000 rows; above, UMAP where it is installed, else PCA.

    Kept beside the index, under its content: the next map of the same index needs no work.
    """
    if how == "auto":
        how = "tsne" if len(index) <= TSNE_UP_TO else "umap" if find_spec("umap") else "pca"
    if how not in CALLED:
        raise Unfit(f"--how {how!r}: auto, {', '.join(CALLED)} were expected.")
    if len(index) < LEAST:
        raise Unfit(f"{index.folder} holds {len(index)} rows; a map needs at least {LEAST}.")
    if how == "umap" and not find_spec("umap"):
        raise Unfit('--how umap needs umap-learn: pip install "kontrast[map]"; or take --how tsne or pca.')
    file = index.folder / f"map-{how}-{seed}.npz"
    with suppress(OSError, ValueError, KeyError), np.load(file) as kept:
        if str(kept["mark"]) == index.mark:
            return Layout(kept["places"], how, float(kept["kept"]), float(kept["chance"]))
    found = _found(index, how, seed)
    part = file.with_name(f".{file.stem}.{os.getpid()}.npz")
    with suppress(OSError):  # in somebody else's folder
        np.savez(part, mark=index.mark, places=found.places, kept=found.kept, chance=found.chance)
        part.replace(file)
    return found


def _found(index: Index, how: str, seed: int) -> Layout:
    if how == "pca":
        places = _projected(index, *_pca(index))
    else:
        most = FITTED if how == "umap" else TSNE_UP_TO
        rows = np.arange(len(index))
        fitted = rows if len(rows) <= most else np.sort(keyed.permuted(rows[:most], len(rows), "map", seed))
        progress.told("laying out by " + CALLED[how] + (" (its first run compiles)" if how == "umap" else ""))
        found = (_tsne if how == "tsne" else _umap)(index.vectors.take(fitted), seed)
        places = found if len(fitted) == len(rows) else _placed(index, fitted, found)
    kept, chance = kept_neighbours(index, places, seed)
    return Layout(places, how, kept, chance)


def _pca(index: Index) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Mean (D,) and the first two directions (D, 2), of all rows, by blocks; the largest entry of each is positive."""
    width = index.meta.width
    total, square = np.zeros(width), np.zeros((width, width))
    for number in range(index.meta.shards):
        span = index.meta.span(number)
        block = index.vectors[span.start : span.stop].astype(np.float64)
        total += block.sum(axis=0)
        square += block.T @ block
    mean = total / index.meta.rows
    _, directions = np.linalg.eigh(square / index.meta.rows - np.outer(mean, mean))
    two = directions[:, ::-1][:, :2]
    signs = np.sign(two[np.abs(two).argmax(axis=0), np.arange(two.shape[1])])
    return mean, two * np.where(signs == 0, 1, signs)


def _projected(
    index: Index, mean: npt.NDArray[np.float64], directions: npt.NDArray[np.float64]
) -> npt.NDArray[np.float32]:
    parts = []
    for number in range(index.meta.shards):
        span = index.meta.span(number)
        parts.append((index.vectors[span.start : span.stop].astype(np.float64) - mean) @ directions)
    places = np.concatenate(parts).astype(np.float32)
    return places if places.shape[1] == 2 else np.pad(places, ((0, 0), (0, 1)))


def _tsne(vectors: npt.NDArray[np.float32], seed: int) -> npt.NDArray[np.float32]:
    from sklearn.manifold import TSNE

    perplexity = min(30.0, (len(vectors) - 1) / 3)
    made = TSNE(2, init="pca", metric="cosine", perplexity=perplexity, random_state=seed).fit_transform(vectors)
    places: npt.NDArray[np.float32] = made.astype(np.float32)
    return places


def _umap(vectors: npt.NDArray[np.float32], seed: int) -> npt.NDArray[np.float32]:
    import warnings

    with warnings.catch_warnings():  # of numba, and that a seed costs parallel speed
        warnings.simplefilter("ignore")
        import umap

        near = min(15, len(vectors) - 1)
        made = umap.UMAP(metric="cosine", random_state=seed, n_neighbors=near).fit_transform(vectors)
    places: npt.NDArray[np.float32] = made.astype(np.float32)
    return places


def _placed(index: Index, fitted: Ids, found: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Rows that were not fitted lie at the mean of their three nearest fitted rows, weighted by cosine."""
    bank = torch.from_numpy(index.vectors.take(fitted))
    places = np.empty((index.meta.rows, 2), np.float32)
    for number in range(index.meta.shards):
        span = index.meta.span(number)
        asked = torch.from_numpy(index.vectors[span.start : span.stop].astype(np.float32))
        with progress.listening(lambda *_: None):
            score, row = neighbours(asked, bank, min(3, len(bank)))
        progress.told("placing rows", span.stop, len(index))
        weight = torch.softmax(20 * score, dim=1).numpy()
        places[span.start : span.stop] = (weight[:, :, None] * found[row.numpy()]).sum(axis=1)
    places[fitted] = found
    return places


def kept_neighbours(index: Index, places: npt.NDArray[np.float32], seed: int) -> tuple[float, float]:
    """(share of the ten nearest rows that stay among the ten nearest on the map, the same for random places)."""
    count = min(MEASURED, index.meta.rows)
    rows = np.sort(keyed.permuted(np.arange(count), index.meta.rows, "measured", seed))
    k = min(NEAREST, count - 1)
    full = torch.from_numpy(index.vectors.take(rows))
    right = _nearest(1 - full @ full.T, k)
    flat = torch.from_numpy(places[rows].astype(np.float64))
    scattered = torch.from_numpy(keyed.uniform("random layout", seed, rows[:, None], np.arange(2)))
    shares = []
    for layout_N2 in (flat, scattered):
        got = _nearest(torch.cdist(layout_N2, layout_N2), k)
        shares.append(float(np.mean([len(set(a) & set(b)) / k for a, b in zip(right.tolist(), got.tolist())])))
    return shares[0], shares[1]


def _nearest(distance_NN: torch.Tensor, k: int) -> torch.Tensor:
    distance_NN = distance_NN.clone().fill_diagonal_(float("inf"))
    return distance_NN.topk(k, dim=1, largest=False).indices
