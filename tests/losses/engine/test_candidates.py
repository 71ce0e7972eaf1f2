"""Who is a negative and how much it counts: the formulas of the file's first lines, row by row."""

import math

import pytest
import torch

from kontrast import keyed
from kontrast.losses.engine.candidates import Against, Guide
from kontrast.similarity import logit


def drawn(*shape):
    return torch.randn(*shape, generator=keyed.generator("candidates", *shape), dtype=torch.float64)


@pytest.mark.parametrize("tau_plus,beta", [(0.0, 0.0), (0.1, 0.0), (0.0, 0.7), (0.05, 0.7)])
def test_the_sum_over_negatives_is_the_formula(tau_plus, beta):
    query, key, T = drawn(5, 4), drawn(9, 4), 0.5
    found: dict[str, torch.Tensor] = {}
    against = Against.of(T, "cosine", tau_plus=tau_plus, beta=beta, diagnostics=found)
    names = (torch.arange(5), torch.arange(9) % 6)
    q, k = against.query(query), against.key(key)
    positive = logit(q, k[:5], "cosine")
    ours = against.log_negatives(q, k, [names], positive[None])
    unit_q, unit_k = (x / x.norm(dim=1, keepdim=True) for x in (query, key))
    for row in range(5):
        s = (unit_q[row] @ unit_k.T / T)[names[1] != row]
        w = (beta * s).exp()
        g = (w / w.mean() * s.exp()).sum()
        if tau_plus:
            g = (g - tau_plus * len(s) * positive[row].exp()) / (1 - tau_plus)
            g = g.clamp(min=len(s) * math.exp(-1 / T))
        torch.testing.assert_close(ours[row], g.log(), rtol=1e-10, atol=1e-10)
    assert ("clamp_rate" in found) == (tau_plus > 0)


def test_a_guides_limit_is_its_own_positive_less_the_margin():
    guide = Guide(drawn(4, 3), drawn(4, 3), margin=0.25)
    limits = (
        guide.limits(guide.key_KG, slice(1, 3), repeat=2) if False else guide.limits(guide.key_KG[1:3], slice(1, 3))
    )
    cosine = torch.nn.functional.cosine_similarity(guide.query_QG[1:3], guide.key_KG[1:3])
    torch.testing.assert_close(limits.limit_Q, cosine - 0.25)
    twice = guide.limits(guide.key_KG[1:3], slice(1, 3), repeat=2)
    assert torch.equal(twice.limit_Q, limits.limit_Q.repeat(2)) and len(twice.key_KG) == 8


@pytest.mark.parametrize(
    "how,told",
    [
        ({"tau_plus": 1.0}, "tau_plus"),
        ({"beta": -1.0}, "beta"),
        ({"tau_plus": 0.1, "similarity": "dot"}, "needs the least similarity"),
    ],
)
def test_what_means_nothing_is_refused(how, told):
    with pytest.raises(ValueError, match=told):
        Against.of(0.1, **{"similarity": "cosine", **how})


def test_only_plain_cosine_is_plain():
    assert Against.of(0.2, "cosine").plain and Against.of(0.2, "cosine").largest == pytest.approx(5.0)
    assert not Against.of(0.2, "cosine", beta=1.0).plain and not Against.of(0.2, "dot").plain
    assert Against.of(0.2, "dot").largest is None
