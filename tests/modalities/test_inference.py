"""A model in use: fp32 and evaluation mode inside, everything as it was outside; columns beside it."""

import pytest
import torch
from torch import nn

from kontrast.modalities.inference import columns_of, evaluating


def test_inside_it_is_fp32_without_gradient_and_afterwards_as_before():
    net, cpu = nn.Sequential(nn.Linear(3, 3), nn.Dropout(0.5)).train(), torch.device("cpu")
    x = torch.randn(4, 3)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        with evaluating(net, cpu):
            y = net(x)
            assert not net.training and y.dtype == torch.float32 and not y.requires_grad
            assert torch.equal(y, net(x))
        assert net.training and net(x).dtype == torch.bfloat16
    with pytest.raises(RuntimeError, match="broken"), evaluating(net, cpu):
        raise RuntimeError("broken")
    assert net.training and torch.is_grad_enabled()


def test_a_run_that_began_at_random_began_with_the_random_weights():
    class Model:
        def random(self, seed):
            return f"random {seed}"

    model = Model()
    models, told = columns_of(model, None, 7)
    assert models == {"learned": model, "before": "random 7", "random_weights": "random 7"} and told == ""
    assert columns_of(model, "old", 7)[0]["before"] == "old"
