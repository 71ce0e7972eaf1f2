"""What locked towers have read, kept in the cache."""

import numpy as np
import pytest
import torch
from torch import nn

from kontrast.modalities.pairs import kept


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("KONTRAST_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "features"


def parts(read, rows=6, width=3):
    """Rows in another order than they are kept in; `read` counts how often they are read."""
    read.append(rows)
    for row in reversed(range(rows)):
        yield np.array([row]), torch.full((1, width), float(row))


def test_rows_are_read_once_and_found_again(cache):
    read = []
    first, again = (kept.kept("a", 6, parts(read)) for _ in range(2))
    assert torch.equal(first, again) and first[:, 0].tolist() == list(range(6)) and read == [6]
    kept.kept("a", 5, parts(read, 5))  # of another length: read anew
    assert read == [6, 5]
    kept.forget("a")
    kept.kept("a", 5, parts(read, 5))
    assert read == [6, 5, 5]


def test_many_are_kept_in_half_precision_and_too_many_not_at_all(cache, monkeypatch):
    monkeypatch.setattr(kept, "WHOLE_BYTES", 6 * 3 * 4 - 1)
    assert kept.kept("half", 6, parts([])).dtype == torch.float16
    monkeypatch.setattr(kept, "MOST_BYTES", 6 * 3 * 2 - 1)
    assert kept.kept("none", 6, parts([])) is None and len(list(cache.iterdir())) == 1


def test_what_was_used_longest_ago_goes_first(cache, monkeypatch):
    size = 128 + 6 * 3 * 4  # NumPy's header stands before the numbers
    monkeypatch.setattr(kept, "ALL_BYTES", 2 * size)
    import os

    for age, name in enumerate("abc"):
        kept.kept(name, 6, parts([]))
        os.utime(cache / f"{name}.npy", (1000 + age, 1000 + age))
    assert sorted(file.stem for file in cache.iterdir()) == ["b", "c"]


def test_a_file_that_was_cut_is_read_again_and_a_cache_that_cannot_be_written_costs_nothing(
    cache, tmp_path, monkeypatch
):
    kept.kept("a", 6, parts([]))
    (cache / "a.npy").write_bytes((cache / "a.npy").read_bytes()[:140])
    read = []
    assert kept.kept("a", 6, parts(read))[:, 0].tolist() == list(range(6)) and read == [6]
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("KONTRAST_CACHE", str(tmp_path / "file"))
    assert kept.kept("b", 6, parts([]))[:, 0].tolist() == list(range(6))


def test_the_key_is_of_the_content():
    net = nn.Linear(2, 2)
    key = kept.key_of(net, "pictures", 1)
    assert key == kept.key_of(net, "pictures", 1) != kept.key_of(net, "pictures", 2)
    with torch.no_grad():
        net.weight[0, 0] += 1e-6
    assert key != kept.key_of(net, "pictures", 1)
