"""Changed neighbours: all that were planted, none by a rotation, and as many as chance by noise."""

import numpy as np
import pytest
import torch

from kontrast import keyed
from kontrast.evaluate import changes as module
from kontrast.evaluate.changes import changes


def clusters(rows=600, width=24, places=30):
    """Vectors in 30 tight places."""
    centres = keyed.normal("c", np.arange(places * width)).reshape(places, width)
    noise = keyed.normal("n", np.arange(rows * width)).reshape(rows, width)
    return centres[np.arange(rows) % places] + 0.2 * noise


def rotation(width=24):
    turn, _ = np.linalg.qr(keyed.normal("turn", np.arange(width * width)).reshape(width, width))
    return turn


def test_twenty_of_twenty_planted_changes_are_found_first():
    first = clusters()
    second = first @ rotation() + 0.02 * keyed.normal("jitter", np.arange(600 * 24)).reshape(600, 24)
    planted = keyed.permuted(np.arange(20), 600, "planted")
    second[planted] = second[(planted + 7) % 600]  # each now lies in another place
    found = changes(first, second)
    assert set(found.most(20)) == set(planted.tolist())
    assert (found.kept[planted] < 0.3).all() and found.change[planted].min() > 5 * np.median(found.change)


def test_a_rotation_and_other_lengths_change_nothing():
    first = clusters()
    found = changes(first, 3 * first @ rotation())
    assert found.change.max() < 1e-3 and found.kept.mean() > 0.999


def test_noise_has_to_do_with_nothing():
    found = changes(clusters(), keyed.normal("other", np.arange(600 * 8)).reshape(600, 8))
    assert found.change.mean() == pytest.approx(0.5, abs=0.03) and found.kept.mean() < 0.05


@pytest.mark.parametrize("block", [7, 600])
def test_neighbours_are_those_of_a_full_sort(monkeypatch, block):
    monkeypatch.setattr(module, "BLOCK", block)
    first, second = clusters(90), clusters(90, width=5, places=9)
    found = changes(first, second, k=4)
    places = []
    for vectors, near in ((first, found.first), (second, found.second)):
        unit = torch.nn.functional.normalize(torch.from_numpy(vectors).float(), dim=1)
        table = unit @ unit.T
        table.fill_diagonal_(-torch.inf)
        order = table.argsort(dim=1, descending=True, stable=True).numpy()
        assert (near == order[:, :4]).all()
        places.append(order.argsort(axis=1))
    by_hand = np.concatenate(
        [np.take_along_axis(places[1], found.first, 1), np.take_along_axis(places[0], found.second, 1)], axis=1
    ).mean(axis=1)
    np.testing.assert_allclose(found.change, (by_hand - 1.5) / (89 - 1.5), atol=1e-12)
    shared = [len(set(a) & set(b)) / 4 for a, b in zip(found.first.tolist(), found.second.tolist())]
    np.testing.assert_allclose(found.kept, shared)


def test_spaces_of_other_samples_are_refused():
    with pytest.raises(ValueError, match="same samples"):
        changes(np.ones((5, 2)), np.ones((6, 2)))
    with pytest.raises(ValueError, match="k must lie"):
        changes(np.ones((5, 2)), np.ones((5, 2)), k=5)
