"""k-means and the best matching of its clusters to classes."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
import torch

from kontrast import keyed
from kontrast.evaluate import kmeans


def blobs(rows: int, width: int, classes: int, noise: float, name: str = "") -> tuple[torch.Tensor, np.ndarray]:
    """Correlated, badly scaled features around class centres."""
    draw = {
        part: keyed.generator("test blobs", part, name if part != "centres" else "") for part in ("centres", "noise")
    }
    centre = torch.randn(classes, width, generator=draw["centres"])
    mix = torch.randn(width, width, generator=keyed.generator("test blobs", "mix"))
    label = keyed.below(classes, "test blobs", name, np.arange(rows))
    points = (
        centre[label]
        + noise * torch.randn(rows, width, generator=keyed.generator("test blobs", "noise", name)) @ mix / width**0.5
    )
    return points * torch.logspace(-3, 3, width) + 5, label


def test_matching_is_the_best_of_all_permutations() -> None:
    for case in range(20):
        cluster = keyed.below(5, "test cluster", case, np.arange(60))
        answer = keyed.below(5, "test answer", case, np.arange(60))
        best = max(np.mean(np.array(naming)[cluster] == answer) for naming in permutations(range(5)))
        assert kmeans.matched_accuracy(cluster, answer) == pytest.approx(best)


def test_kmeans_finds_separate_blobs_whatever_they_are_called() -> None:
    centre = 5 * torch.eye(3)
    label = keyed.below(3, "test", np.arange(90))
    points = centre[label] + 0.3 * torch.randn(90, 3, generator=keyed.generator("test", "kmeans"))
    found = kmeans.kmeans(points[:60], points[60:], label[60:], clusters=3)
    assert found.accuracy == 1.0 and found.nmi == pytest.approx(1.0)
    renamed = kmeans.kmeans(points[:60], points[60:], (label[60:] + 1) % 3, clusters=3)
    assert renamed.accuracy == 1.0
    noise = keyed.below(3, "test", "noise", np.arange(30))
    assert kmeans.kmeans(points[:60], points[60:], noise, clusters=3).accuracy < 0.7


def test_kmeans_never_sees_the_test_rows() -> None:
    bank, label = blobs(300, 8, 4, 1.0)
    alone = [kmeans.kmeans(bank[:200], bank[i : i + 1], label[i : i + 1], clusters=4).cluster_Q[0] for i in (200, 201)]
    together = kmeans.kmeans(bank[:200], bank[200:], label[200:], clusters=4).cluster_Q
    assert together[:2].tolist() == alone


def test_kmeans_refuses_a_bank_that_is_too_small() -> None:
    with pytest.raises(ValueError, match="one row per cluster"):
        kmeans.kmeans(torch.zeros(2, 3), torch.zeros(2, 3), [0, 1], clusters=3)
