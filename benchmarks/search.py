"""Exact search in an index on the disk: milliseconds a query for batches of 100, beside the time of its products alone.

    python benchmarks/search.py [ROWS] [WIDTH]

Random unit vectors (2,000,000 x 384 by default, float16 on disk), 100 queries at a time. The floor is `torch.mm` of the
same sizes on vectors that are in memory already. Answers are compared with those of a full sort on a part first.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from kontrast.vector_index.layout import Index, Meta, place, write_meta
from kontrast.vector_index.search import nearest

SHARD, QUERIES = 4096, 100


def made(folder: Path, rows: int, width: int) -> Index:
    """An index of random unit vectors, with vectors alone."""
    meta = Meta("none", "none", "random", rows, width, SHARD, "float16", torch.get_num_threads(), 0)
    write_meta(folder, meta)
    for number in range(meta.shards):
        vectors = np.random.default_rng(number).standard_normal((len(meta.span(number)), width), dtype=np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        np.save(place(folder, "vectors", number), vectors.astype(np.float16))
    return Index(folder, meta)


def main() -> None:
    words = [int(word) for word in sys.argv[1:]]
    rows, width = (*words, *(2_000_000, 384)[len(words) :])
    with tempfile.TemporaryDirectory() as folder:
        index = made(Path(folder), rows, width)
        asked = torch.from_numpy(np.random.default_rng(7).standard_normal((QUERIES, width), dtype=np.float32))
        part = torch.from_numpy(index.vectors[0 : min(rows, 50_000)])
        right = (torch.nn.functional.normalize(asked[:5], dim=1).double() @ part.double().T).argsort(1, descending=True)
        found = nearest(Index(Path(folder), index.meta), asked, 10, exact=10**9)
        inside = [[row for row in near.tolist() if row < len(part)] for near in found.rows[:5]]
        assert all([r for r in order.tolist() if r in near] == near for near, order in zip(inside, right[:, :1000]))
        began = time.perf_counter()
        nearest(index, asked, 10, exact=10**9)
        took = time.perf_counter() - began
        block = torch.randn(16384, width)
        began = time.perf_counter()
        for _ in range(8):
            torch.mm(asked, block.T)
        floor = (time.perf_counter() - began) / 8 * rows / 16384
    print(f"{rows:,} x {width}, float16, {torch.get_num_threads()} threads, torch {torch.__version__}")
    told = f"{1000 * took / QUERIES:.1f} ms a query in batches of {QUERIES}"
    print(f"search   {told}; its products alone {1000 * floor / QUERIES:.1f} ms")


if __name__ == "__main__":
    main()
