"""The linear probe against scikit-learn's, and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from kontrast import keyed
from kontrast.evaluate import linear


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
