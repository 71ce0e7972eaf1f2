"""Tiles of a table: who is left out of each, by place, by name and by a guide, against the whole table."""

import pytest
import torch

from kontrast import keyed
from kontrast.losses.engine import tiles
from kontrast.losses.engine.tiles import Distances, Equal, Gradients, LeftOut, Limits, Products, Stripes

Q, K, HEIGHT, WIDTH = 11, 13, 4, 5


def drawn(*shape):
    return torch.randn(*shape, generator=keyed.generator("tiles", *shape), dtype=torch.float64)


def parts(count, size):
    return [slice(start, min(start + size, count)) for start in range(0, count, size)]


def whole(left_out):
    """All tiles of a table of zeros, 1 where the pair is left out."""
    table = torch.zeros(Q, K)
    for rows in parts(Q, HEIGHT):
        for columns in parts(K, WIDTH):
            tile = torch.zeros(rows.stop - rows.start, columns.stop - columns.start)
            left_out.fill(rows, columns, tile, 1.0)
            table[rows, columns] = tile
    return table


@pytest.mark.parametrize("listed", [True, False])
def test_names_stripes_and_a_guide_leave_out_their_pairs(monkeypatch, listed):
    monkeypatch.setattr(tiles, "TINY", 0 if listed else Q * K)
    query, key = torch.arange(Q) % 5, torch.arange(K) % 7
    guide_q, guide_k, limit = drawn(Q, 3), drawn(K, 3), drawn(Q)
    made = LeftOut(Q, K, (HEIGHT, WIDTH), [(query, key), Stripes(6, 2)], Limits(guide_q, guide_k, limit))
    assert bool(made.listed) == listed
    place = torch.arange(K) - torch.arange(Q)[:, None]
    expected = (query[:, None] == key) | ((place - 2) % 6 == 0) | (guide_q @ guide_k.T > limit[:, None])
    assert torch.equal(whole(made), expected.float())


def test_equal_names_are_found_by_sorting():
    query, key = torch.tensor([4, 1, 4, 9]), torch.tensor([1, 4, 4, 2])
    q, k = Equal(query, key).pairs()
    assert sorted(zip(q.tolist(), k.tolist())) == [(0, 1), (0, 2), (1, 0), (2, 1), (2, 2)]


@pytest.mark.parametrize("kind", [Products, Distances])
def test_a_tile_holds_its_logits_and_pulls_their_gradient(kind):
    query, key, weight = drawn(Q, 3).requires_grad_(), drawn(K, 3).requires_grad_(), drawn(Q, K)
    logits = query @ key.T if kind is Products else -torch.cdist(query, key)
    (logits * weight).sum().backward()
    onto = Gradients(torch.zeros(Q, 3, dtype=torch.float64), torch.zeros(K, 3, dtype=torch.float64))
    table = kind(query.detach(), key.detach(), LeftOut(Q, K, (HEIGHT, WIDTH)))
    for rows in parts(Q, HEIGHT):
        for columns in parts(K, WIDTH):
            tile = torch.empty(rows.stop - rows.start, columns.stop - columns.start, dtype=torch.float64)
            table.fill(rows, columns, tile)
            torch.testing.assert_close(tile, logits.detach()[rows, columns], rtol=1e-9, atol=1e-9)
            table.pull(weight[rows, columns], tile, rows, columns, onto)
    torch.testing.assert_close(onto.query_QE, query.grad, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(onto.key_KE, key.grad, rtol=1e-9, atol=1e-9)
