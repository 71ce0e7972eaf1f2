"""The queue: a ring that keeps the newest keys with their names, for any batch size."""

import pytest
import torch

from kontrast.errors import Unfit
from kontrast.negatives import check_size
from kontrast.negatives.queue import NOBODY, Ring


def keys(first, count):
    """Rows that say which they are."""
    return torch.arange(first, first + count, dtype=torch.float32)[:, None].expand(-1, 3), torch.arange(
        first, first + count
    )


@pytest.mark.parametrize("size", [1, 5, 8, 13])
@pytest.mark.parametrize("batches", [[3, 3, 3, 3], [8, 8], [1, 7, 20, 2], [5, 0, 5]])
def test_it_keeps_the_newest_whatever_divides_what(size, batches):
    ring, pushed = Ring(size, 3, seed=0), 0
    for step, rows in enumerate(batches):
        vectors, names = keys(pushed, rows)
        ring.push(vectors, names, step)
        pushed += rows
    kept = sorted(name for name in ring.names_K.tolist() if name != NOBODY)
    assert kept == list(range(max(0, pushed - size), pushed))
    real = ring.names_K != NOBODY
    assert torch.equal(ring.keys_KD[real][:, 0], ring.names_K[real].float())
    assert ring.full() == (pushed >= size)
    assert float(ring.diagnostics(9)["queue_fill"]) == pytest.approx(min(1.0, pushed / size))


def test_it_starts_as_keyed_random_directions():
    first, again, other = Ring(64, 16, seed=1), Ring(64, 16, seed=1), Ring(64, 16, seed=2)
    assert torch.equal(first.keys_KD, again.keys_KD) and not torch.equal(first.keys_KD, other.keys_KD)
    torch.testing.assert_close(first.keys_KD.norm(dim=1), torch.ones(64))
    assert float(first.diagnostics(0)["queue_rank"]) > 10 and float(first.diagnostics(0)["queue_fill"]) == 0


def test_its_signs_tell_age_and_sameness():
    ring = Ring(8, 4, seed=0)
    for step in range(4):
        ring.push(torch.ones(2, 4), torch.arange(2), step)
    signs = ring.diagnostics(4)
    assert float(signs["queue_age"]) == 2.5  # steps 0 to 3, seen at 4
    assert float(signs["queue_rank"]) == pytest.approx(1.0)


def test_all_of_it_is_in_the_state_dict():
    ring, other = Ring(6, 2, seed=0), Ring(6, 2, seed=5)
    ring.push(torch.ones(4, 2), torch.arange(4), 3)
    other.load_state_dict(ring.state_dict())
    for one in (ring, other):
        one.push(torch.zeros(4, 2), torch.arange(4, 8), 4)
    assert all(torch.equal(a, b) for a, b in zip(ring.state_dict().values(), other.state_dict().values()))
    assert ring.names_K.tolist() == [6, 7, 2, 3, 4, 5]


def test_a_queue_as_large_as_the_set_is_refused():
    check_size(99, 100)
    with pytest.raises(Unfit, match="100 samples"):
        check_size(100, 100)
