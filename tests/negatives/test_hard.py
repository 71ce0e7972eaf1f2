"""Mined and mixed negatives against plain float64 loops that share no code."""

import math

import pytest
import torch

from kontrast.negatives import hard

DRAW = torch.Generator().manual_seed(4)


def cosines(query, bank):
    return [[float((q @ k) / (q.norm() * k.norm())) for k in bank] for q in query]


@pytest.mark.parametrize("similarity", ["cosine", "dot", "euclidean", "squared_euclidean"])
def test_the_hardest_are_the_most_similar_of_another_name(similarity, monkeypatch):
    query, bank = (torch.randn(n, 6, generator=DRAW, dtype=torch.float64) for n in (7, 30))
    name_q, name_k = torch.arange(7) % 4, torch.arange(30) % 5
    monkeypatch.setattr(hard, "BLOCK", 64)  # two queries at a time
    places, allowed = hard.mined(query, bank, 5, similarity=similarity, name_Q=name_q, name_K=name_k)
    distance = -torch.cdist(query, bank)
    value_QK = {"cosine": query @ bank.T / bank.norm(dim=1), "dot": query @ bank.T}.get(similarity, distance)
    for q in range(7):
        others = [k for k in range(30) if name_k[k] != name_q[q]]
        assert places[q].tolist() == sorted(others, key=value_QK[q].tolist().__getitem__, reverse=True)[:5]
    assert allowed.all()


@pytest.mark.parametrize(("absolute", "relative", "skip"), [(0.15, None, 0), (None, 0.3, 1), (0.05, 0.1, 2)])
def test_margins_and_skipping_follow_the_rules(absolute, relative, skip):
    query, bank = (torch.randn(n, 3, generator=DRAW, dtype=torch.float64) for n in (9, 40))
    positive = torch.linspace(0.2, 0.9, 9, dtype=torch.float64)
    table = cosines(query, bank)
    places, allowed = hard.mined(
        query, bank, 4, positive_Q=positive, absolute_margin=absolute, relative_margin=relative, skip=skip
    )
    for q in range(9):
        limit = min(float(positive[q]) - (absolute or 0.0), float(positive[q]) * (1 - (relative or 0.0)))
        left = sorted((k for k in range(40) if table[q][k] <= limit), key=lambda k: -table[q][k])
        assert [int(k) for k, ok in zip(places[q], allowed[q]) if ok] == left[skip : skip + 4]


def test_what_mining_cannot_do_is_refused():
    query, bank = torch.ones(2, 3), torch.ones(12, 3)
    with pytest.raises(ValueError, match="positive_Q"):
        hard.mined(query, bank, 4, absolute_margin=0.1)
    with pytest.raises(ValueError, match="12 keys"):
        hard.mined(query, bank, 13)


def test_mixed_points_lie_where_the_paper_puts_them():
    query = torch.randn(5, 8, generator=DRAW, dtype=torch.float64)
    hardest = torch.randn(5, 6, 8, generator=DRAW, dtype=torch.float64)
    rows = torch.arange(5).numpy()[:, None]
    made = hard.mixed(query, hardest, 9, 1, 2, rows)
    assert made.shape == (5, 9, 8)
    torch.testing.assert_close(made.norm(dim=-1), torch.ones(5, 9, dtype=torch.float64))
    again = hard.mixed(query[2:3], hardest[2:3], 9, 1, 2, rows[2:3])
    torch.testing.assert_close(made[2:3], again)  # a row's draws do not depend on the others
    assert not torch.allclose(made, hard.mixed(query, hardest, 9, 1, 3, rows))
    unit = torch.nn.functional.normalize
    for q in range(5):
        ends = unit(torch.cat([hardest[q], query[q : q + 1]]), dim=1)
        for m in range(9):
            # on the short arc between two ends: their angles to the point add up to the angle between them
            angle = torch.acos((ends @ made[q, m]).clamp(-1, 1))
            between = torch.acos((ends @ ends.T).clamp(-1, 1))
            off = (angle[:, None] + angle[None, :] - between).abs()
            a, b = divmod(int(off.argmin()), len(ends))
            assert off.min() < 1e-5
            with_query = 6 in (a, b) and a != b
            assert with_query == (m >= 5) or a == b or angle.min() < 1e-3
            if with_query:  # never nearer to the query than to the key
                key = a if b == 6 else b
                assert angle[key] <= angle[6] + 1e-6
    assert math.isfinite(float(made.sum()))
