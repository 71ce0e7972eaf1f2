"""Five training steps against the paper's arithmetic in float64: what the tests of the methods share."""

import torch
from tests.methods.stepping import TOTAL, made_up, train_step

LR = 0.3


def weights(module, prefix=""):
    """Parameters below a prefix, copied, by their names after it."""
    kept = {
        name.removeprefix(prefix): p.detach().clone()
        for name, p in module.named_parameters()
        if name.startswith(prefix)
    }
    return {name: value.requires_grad_(not prefix) for name, value in kept.items() if not name.startswith("twin.")}


def same(ours, theirs, what):
    torch.testing.assert_close(ours.detach(), theirs.detach(), rtol=1e-9, atol=1e-10, msg=lambda m: f"{what}: {m}")


def run(method, paper, *, lengths=(2, 2), extra=lambda batch: (), check=lambda step: None):
    optimizer = torch.optim.SGD([p for p in method.parameters() if p.requires_grad], lr=LR)
    for number in range(5):
        batch = made_up(number, lengths)
        check(number)
        more = extra(batch)
        outcome, gradients = train_step(method, batch, optimizer)
        loss, paper_gradients = paper.step(batch.views, batch.ids_B, number, TOTAL, LR, *more)
        same(outcome.loss, loss, f"loss of step {number}")
        for name, gradient in paper_gradients.items():
            if gradient is not None:
                same(gradients[name], gradient, f"gradient of {name} in step {number}")
    for name, value in paper.net.items():
        if not name.startswith("prototypes"):  # ours are at unit length already
            same(dict(method.named_parameters())[name], value, name)
