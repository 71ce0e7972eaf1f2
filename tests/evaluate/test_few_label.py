"""A few labels a class: draws, order, strangers."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from kontrast import keyed
from kontrast.evaluate import few_label


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


def test_one_label_is_the_nearest_labelled_row() -> None:
    """Brute force in float64, with the rows that the key names."""
    bank, label = blobs(60, 5, 3, 1.0, "few")
    test, answer = blobs(40, 5, 3, 1.0, "few test")
    found = few_label.few_label(bank, label, test, answer, shots=(1,), draws=7, seed=3)[1]
    centre = bank.double().mean(0)
    accuracies = []
    for draw in range(7):
        key = keyed.words("few labels", 3, draw, np.arange(60))
        chosen = [min(np.flatnonzero(label == c), key=lambda i: key[i]) for c in range(3)]
        one, two = test.double() - centre, bank[chosen].double() - centre
        cosine = (one @ two.T) / two.norm(dim=1)
        accuracies.append(float((cosine.argmax(1).numpy() == answer).mean()))
    assert found.mean == pytest.approx(np.mean(accuracies), abs=1e-9)
    assert found.low <= found.mean <= found.high


def test_few_labels_do_not_depend_on_the_order_of_the_bank() -> None:
    bank, label = blobs(100, 6, 4, 2.0, "order")
    test, answer = blobs(80, 6, 4, 2.0, "order test")
    ids = 10 * np.arange(100)
    shuffle = np.argsort(keyed.words("test shuffle", np.arange(100)))
    one = few_label.few_label(bank, label, test, answer, ids_K=ids, draws=20)
    two = few_label.few_label(bank[shuffle], label[shuffle], test, answer, ids_K=ids[shuffle], draws=20)
    for shot in one:
        assert one[shot].mean == pytest.approx(two[shot].mean, abs=1e-3)


def test_more_labels_help_and_missing_ones_are_left_out() -> None:
    bank, label = blobs(400, 10, 4, 2.0, "more")
    test, answer = blobs(300, 10, 4, 2.0, "more test")
    found = few_label.few_label(bank, label, test, answer, draws=30)
    assert found[1].mean < found[5].mean < found[10].mean
    keep = np.flatnonzero((label != 2) | (np.cumsum(label == 2) <= 6))  # six rows of class 2
    assert set(few_label.few_label(bank[keep], label[keep], test, answer, draws=2)) == {1, 5}


def test_draws_differ_and_a_stranger_is_an_error() -> None:
    bank, label = blobs(100, 4, 2, 2.0, "draws")
    found = few_label.few_label(bank, label, bank, label, shots=(1,), draws=30)[1]
    assert found.low < found.high
    assert few_label.few_label(bank, label, bank[:5], [9] * 5, shots=(1,), draws=2)[1].mean == 0.0
