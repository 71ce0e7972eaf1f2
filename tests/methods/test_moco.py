"""Five training steps of MoCo against the paper's arithmetic in float64: loss, gradients, twin and queue."""

import pytest
import torch
from tests.methods.made import MADE, floats
from tests.methods.parity import run, same, weights
from tests.methods.stepping import ROWS, WIDTH, Tiny, made_up, oracle

from kontrast.encoders import norm
from kontrast.methods import moco
from kontrast.methods.method import Progress


@pytest.mark.parametrize("symmetric", [False, True])
@pytest.mark.parametrize("hidden, head_norm, kinds", [(-1, False, "L"), (7, False, "LRL"), (7, True, "LNRLN")])
def test_moco(symmetric, hidden, head_norm, kinds):
    config = moco.Config(
        width=5, hidden=hidden, head_norm=head_norm, temperature=0.2, queue=37, momentum=0.8, symmetric=symmetric,
        bn_groups=4,
    )  # fmt: skip
    method = moco.MoCo(Tiny(), WIDTH, config, seed=1).double()
    twin = weights(method, "twin.module.")
    ring = method.negatives.queue
    paper = oracle.MoCo(weights(method), twin, oracle.unit(ring.keys_KD), kinds, 0.2, 0.8, symmetric)

    def groups(batch):
        drawn = [
            torch.as_tensor(norm.assign(ROWS, 4, torch.device("cpu"), batch.seed, batch.step, v)) for v in range(2)
        ]
        return torch.arange(ROWS) * 4 // ROWS, drawn if symmetric else drawn[:1]

    def twin_before(step):  # ours moved after the last step; the paper's moves when it is asked for keys
        followed = weights(method, "twin.module.")
        online = dict(paper.net)
        for name, value in paper.twin.items():
            source = online[name.replace("0.", "encoder.", 1) if name[0] == "0" else "projector." + name[2:]].detach()
            same(followed[name], 0.8 * value + 0.2 * source, f"twin's {name} before step {step}")

    run(method, paper, extra=groups, check=twin_before)
    same(ring.keys_KD, paper.queue, "queue")
    assert torch.equal(ring.names_K, paper.names)


def test_moco_symmetric_pushes_both_key_sets_once_and_never_meets_its_own():
    method = MADE["moco, more"]()
    batch = floats(made_up(0))
    outcome = method.compare(method.embed(batch).joined())
    assert not torch.isin(batch.ids_B, method.negatives.queue.names_K).any()
    method.after_step(outcome, Progress(1, 10))
    assert int(method.negatives.queue.pushed) == 2 * ROWS
