"""Five training steps of BYOL against the paper's arithmetic in float64: loss, gradients and target."""

import torch
from tests.methods.made import MADE, floats
from tests.methods.parity import run, same, weights
from tests.methods.stepping import WIDTH, Tiny, made_up, oracle

from kontrast.methods import byol
from kontrast.methods.method import Progress


def test_byol():
    method = byol.BYOL(Tiny(), WIDTH, byol.Config(width=5, hidden=7, momentum=0.7), seed=1).double()
    paper = oracle.BYOL(weights(method), weights(method, "twin.module."), 0.7)
    run(method, paper)
    for name, value in paper.twin.items():
        same(dict(method.twin.module.named_parameters())[name], value, f"target's {name}")


def test_byol_target_moves_at_the_papers_pace():
    method = MADE["byol"]()
    z = method.embed(floats(made_up(0)))
    target = [p.clone() for p in method.twin.parameters()]
    with torch.no_grad():
        for parameter in (*method.encoder.parameters(), *method.projector.parameters()):
            parameter.add_(1.0)
    method.after_step(method.compare(z), Progress(1, 10))  # the first update: tau_0, as in the code
    for before, after in zip(target, method.twin.parameters()):
        torch.testing.assert_close(after, before + 0.1)
    method.after_step(method.compare(z), Progress(11, 10))  # the end of the schedule: it stands still
    for before, after in zip(target, method.twin.parameters()):
        torch.testing.assert_close(after, before + 0.1)
