"""The labelled tests on arrays: against scikit-learn, against brute force, and where nothing can be learned."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
import torch

from kontrast import keyed
from kontrast.evaluate import few_label, kmeans, linear


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


def test_probe_agrees_with_scikit_learn() -> None:
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    bank, label = blobs(2000, 32, 10, 5.0, "bank")
    test, answer = blobs(2000, 32, 10, 5.0, "test")
    scaler = StandardScaler().fit(bank.double().numpy())
    for decay in (1e-1, 1e-3, 1e-5):
        peer = LogisticRegression(C=1 / (decay * len(bank)), max_iter=2000, tol=1e-6)
        peer.fit(scaler.transform(bank.double().numpy()), label)
        probe = linear.linear_probe(bank, label, decay=decay)
        theirs = peer.score(scaler.transform(test.double().numpy()), answer)
        ours = float((probe.predict(test).numpy() == answer).mean())
        assert 0.3 < theirs < 0.95  # hard enough to differ
        assert round(2000 * abs(ours - theirs)) <= 4  # rows: 0.2 points, without the rounding of two means
        if decay == 1e-1:  # below, the optimum is flat: weights that differ a little predict the same
            torch.testing.assert_close(probe.weight_CH, torch.from_numpy(peer.coef_).float(), atol=2e-3, rtol=1e-2)


def test_probe_chooses_its_decay_on_held_out_rows() -> None:
    """With far more features than rows per class and much noise, the weakest decay must not win."""
    bank, label = blobs(200, 150, 4, 4.0, "bank")
    probe = linear.linear_probe(bank, label)
    assert probe.decay in linear.DECAYS
    assert probe.decay >= 1e-2
    assert probe.held_out_accuracy is not None and 0.25 < probe.held_out_accuracy < 1
    again = linear.linear_probe(bank, label)
    assert torch.equal(probe.weight_CH, again.weight_CH)


def test_probe_keeps_class_numbers_and_constant_features() -> None:
    x = torch.tensor([[0.0, 7.0], [0.1, 7.0], [1.0, 7.0], [0.9, 7.0]])
    probe = linear.linear_probe(x, [3, 3, 8, 8])
    assert probe.predict(x).tolist() == [3, 3, 8, 8]
    assert probe.decay == linear.UNCHOSEN_DECAY and probe.held_out_accuracy is None
    assert probe.weight_CH[:, 1].abs().max() == 0
    collapsed = linear.linear_probe(torch.ones(10, 3), [0] * 7 + [1] * 3)
    assert collapsed.predict(torch.ones(2, 3)).tolist() == [0, 0]


def test_probe_refuses_what_is_no_classification() -> None:
    with pytest.raises(ValueError, match="at least two classes"):
        linear.linear_probe(torch.zeros(3, 2), [1, 1, 1])
    with pytest.raises(ValueError, match="one entry per row"):
        linear.linear_probe(torch.zeros(3, 2), [0, 1])
    with pytest.raises(ValueError, match="not finite"):
        linear.linear_probe(torch.full((2, 2), torch.inf), [0, 1])


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
