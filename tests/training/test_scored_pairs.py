"""What the watch says of rows a, b, label."""

from __future__ import annotations

import pytest
import torch

from kontrast.methods.method import Embeddings, Outcome
from kontrast.methods.simclr import Config, SimCLR
from kontrast.methods.supervised import supervised
from kontrast.training import watch


def looked_at(views: torch.Tensor, similar: torch.Tensor, **how) -> watch.Watch:
    plain = SimCLR(torch.nn.Flatten(), views.shape[-1], Config(**how))
    method = supervised(plain, "simclr", scored=True, grouped=False)
    z = Embeddings({"views": views, "similar": similar[:, None]}, torch.arange(len(similar)), 0, 9, 0, views[0])
    seen = watch.Watch(steps=10)
    for _ in range(4):
        outcome: Outcome = method.compare(z)
        seen.look(outcome)
    return seen


@pytest.mark.parametrize("kind", ["euclidean", "cosine"])
def test_one_point_is_called_collapsed_and_learned_rows_are_not(kind: str) -> None:
    u = torch.randn(2, 32, 8, generator=torch.Generator().manual_seed(0))
    similar = (torch.arange(32) % 2 == 0).float()
    point = torch.ones(2, 32, 8) + 1e-3 * u
    seen = looked_at(point, similar, similarity=kind)
    assert seen.collapsed(9) and seen.verdict(9).startswith("collapsed: all outputs are one point")
    learned = torch.stack([u[0], torch.where(similar[:, None] > 0, u[0] + 0.01 * u[1], -u[0])])
    seen = looked_at(learned, similar, similarity=kind)
    assert not seen.collapsed(9) and seen.verdict(9).startswith("healthy: similar pairs are 0.0")
    assert seen.last["retrieval_at_1"] == 1.0 and seen.last["retrieval_chance"] == pytest.approx(1 / 16)


def test_far_from_the_origin_euclidean_distances_are_not_accused() -> None:
    """All directions agree there (spread 0.004), and the rows are told apart all the same."""
    u = torch.randn(2, 32, 8, generator=torch.Generator().manual_seed(0))
    similar = (torch.arange(32) % 2 == 0).float()
    seen = looked_at(
        300 + torch.stack([u[0], torch.where(similar[:, None] > 0, u[0], -u[0])]), similar, similarity="euclidean"
    )
    assert seen.last["spread"] < 0.1 * seen.last["healthy_spread"] and not seen.collapsed(9)
    assert seen.verdict(9).startswith("healthy")


def test_rows_that_are_not_told_apart_are_called_guessing_and_one_kind_is_not() -> None:
    u = torch.randn(2, 32, 8, generator=torch.Generator().manual_seed(0))
    similar = (torch.arange(32) % 2 == 0).float()
    assert looked_at(u, similar).verdict(9).startswith("guessing: the loss")
    wide = torch.stack([9 * u[0], torch.where(similar[:, None] > 0, 9 * u[0] + u[1], -9 * u[0])])
    assert "has not come down" in looked_at(wide, similar, similarity="euclidean").verdict(9)
    for only in (torch.ones(32), torch.zeros(32)):
        assert looked_at(u, only).verdict(9).startswith("healthy")
