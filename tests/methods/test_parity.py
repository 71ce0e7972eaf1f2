"""Five training steps of each method against the paper's arithmetic in float64: loss, gradients, and all memory."""

import pytest
import torch
from stepping import ROWS, TOTAL, WIDTH, Tiny, made_up, oracle, train_step

from kontrast.encoders import norm
from kontrast.methods import barlow_twins, byol, moco, simclr, swav

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


def test_simclr():
    method = simclr.SimCLR(Tiny(), WIDTH, simclr.Config(width=5, hidden=7, temperature=0.3), seed=1).double()
    run(method, oracle.SimCLR(weights(method), 0.3))


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


@pytest.mark.parametrize("lengths", [(2, 2), (2, 2, 3, 3)])
@pytest.mark.parametrize("queue", [0, 2 * ROWS])
def test_swav(lengths, queue):
    config = swav.Config(width=5, hidden=7, prototypes=11, frozen=2, queue=queue, queue_from=0.1)
    method = swav.SwAV(Tiny(), WIDTH, config, seed=1).double()
    paper = oracle.SwAV(weights(method), 0.1, 0.05, 3, queue or 10**9, 0.1, 2)
    prototypes = method.prototypes[0].weight
    with torch.no_grad():  # the paper's are put to unit length in each step
        prototypes.copy_(oracle.unit(prototypes))
        paper.net["prototypes.0.weight"].copy_(3.0 * prototypes)
    seen = []

    def before(step):
        same(prototypes.norm(dim=1), torch.ones(11, dtype=torch.float64), "length of the prototypes before a step")
        seen.append(prototypes.detach().clone())

    run(method, paper, lengths=lengths, check=before)
    same(prototypes, oracle.unit(paper.net["prototypes.0.weight"]), "prototypes")
    assert torch.equal(seen[0], seen[1]) and torch.equal(seen[1], seen[2]) and not torch.equal(seen[2], seen[3])
    if queue:
        for a, rows in enumerate(paper.queues):
            kept = method.queue.keys_KD.chunk(2, dim=1)[a]
            assert len(rows) == len(kept)
            distance = torch.cdist(torch.stack(rows), kept)
            assert distance.amin(0).max() < 1e-6 and distance.amin(1).max() < 1e-6


def test_byol():
    method = byol.BYOL(Tiny(), WIDTH, byol.Config(width=5, hidden=7, momentum=0.7), seed=1).double()
    paper = oracle.BYOL(weights(method), weights(method, "twin.module."), 0.7)
    run(method, paper)
    for name, value in paper.twin.items():
        same(dict(method.twin.module.named_parameters())[name], value, f"target's {name}")


def test_barlow_twins():
    config = barlow_twins.Config(width=5, hidden=7, off_diagonal_weight=0.02)
    method = barlow_twins.BarlowTwins(Tiny(), WIDTH, config, seed=1).double()
    run(method, oracle.BarlowTwins(weights(method), 0.02))
