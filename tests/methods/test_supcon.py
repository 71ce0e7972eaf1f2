"""SupCon from its definition: groups choose it where nothing else is asked for."""

from __future__ import annotations

import math

import pytest
import torch

from kontrast.methods.method import Embeddings
from kontrast.methods.simclr import Config, SimCLR
from kontrast.methods.supervised import supervised


def test_a_group_in_the_batch_is_all_positives() -> None:
    """SupCon's L_out, from its definition, over the rows of both views; equal names are never negatives."""
    views_VBD = torch.randn(2, 5, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    group_B = torch.tensor([3, 1, 3, 3, 9])
    plain = SimCLR(torch.nn.Flatten(), 7, Config(temperature=0.5))
    method = supervised(plain, "simclr", scored=False, grouped=True)
    z = Embeddings({"views": views_VBD}, torch.arange(5), 0, 1, 0, views_VBD[0], groups_B=group_B)
    row, name = torch.nn.functional.normalize(views_VBD.flatten(0, 1), dim=1), group_B.repeat(2)
    s = (row @ row.T / 0.5).masked_fill(torch.eye(10, dtype=torch.bool), -torch.inf)
    same = (name[:, None] == name) & ~torch.eye(10, dtype=torch.bool)
    expected = torch.stack([s[i].logsumexp(0) - s[i][same[i]].mean() for i in range(10)]).mean()
    outcome = method.compare(z)
    torch.testing.assert_close(outcome.loss, expected, atol=1e-10, rtol=0)
    assert outcome.guessing == pytest.approx(math.log(9))


def test_groups_with_what_sup_con_has_no_place_for_are_left_out_of_the_negatives() -> None:
    views_VBD = torch.randn(2, 3, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    plain = SimCLR(torch.nn.Flatten(), 7, Config(temperature=0.5, decoupled=True))
    method = supervised(plain, "simclr", scored=False, grouped=True)
    z = Embeddings({"views": views_VBD}, torch.arange(3), 0, 1, 0, views_VBD[0], groups_B=torch.tensor([1, 1, 2]))
    row = torch.nn.functional.normalize(views_VBD, dim=2)
    s = torch.einsum("vbd,wcd->vbwc", row, row) / 0.5
    rivals = {0: [2], 1: [2], 2: [0, 1]}
    expected = torch.stack(
        [s[v, b][:, rivals[b]].flatten().logsumexp(0) - s[v, b, 1 - v, b] for v in (0, 1) for b in range(3)]
    ).mean()
    torch.testing.assert_close(method.compare(z).loss, expected, atol=1e-10, rtol=0)
