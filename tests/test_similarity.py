"""Similarities and their temperature."""

import pytest
import torch

from kontrast import losses
from kontrast.similarity import Temperature, pairwise, table
from tests.losses.loss_cases import made

Z, A, B = made(2, 6, 4), made(6, 4), made(6, 4, key="b")


def test_temperature_is_fixed_or_learned():
    fixed, learned = Temperature(0.1), Temperature(learned=True)
    assert fixed() == 0.1 and not list(fixed.parameters())
    assert float(learned().detach()) == pytest.approx(0.07, rel=1e-6)
    learned.double()
    losses.clip(A, B, temperature=learned()).backward()
    assert learned.log_scale.grad is not None and learned.log_scale.ndim == 0
    with torch.no_grad():
        learned.log_scale.fill_(9.0)
    learned.clamp_()
    assert float(learned().detach()) == pytest.approx(0.01)
    with torch.no_grad():
        learned.log_scale.fill_(-3.0)
    learned.clamp_()
    assert float(learned().detach()) == 1.0
    with pytest.raises(ValueError, match="temperature"):
        Temperature(0.0)


@pytest.mark.parametrize("kind", ["cosine", "dot", "euclidean", "squared_euclidean"])
def test_pairwise_is_the_diagonal_of_the_table(kind):
    torch.testing.assert_close(pairwise(A, B, kind), table(A, B, kind).diagonal())
    assert bool(
        torch.autograd.gradcheck(
            lambda a, b: table(a, b, kind), (A.clone().requires_grad_(), B.clone().requires_grad_())
        )
    )
