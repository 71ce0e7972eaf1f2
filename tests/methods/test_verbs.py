"""What every method promises of its three verbs, whatever its paper."""

import copy
import math
import statistics
from dataclasses import replace

import pytest
import torch
from stepping import ROWS, WIDTH, Tiny, made_up, train_step

from kontrast import keyed, methods
from kontrast.methods import barlow_twins, byol, moco, simclr, swav
from kontrast.methods.method import Progress

MADE = {
    "simclr": lambda **k: simclr.SimCLR(Tiny(**k), WIDTH, simclr.Config(width=5), seed=1),
    "simclr, more": lambda **k: simclr.SimCLR(
        Tiny(**k), WIDTH, simclr.Config(width=5, negatives="queue:12+mixed:6+reweighted:1+debiased:0.1"), seed=1
    ),
    "moco": lambda **k: moco.MoCo(Tiny(**k), WIDTH, moco.Config(width=5, queue=24, bn_groups=2, momentum=0.9), seed=1),
    "moco, more": lambda **k: moco.MoCo(
        Tiny(**k), WIDTH, moco.Config(width=5, hidden=7, symmetric=True, negatives="queue:30+mined:9+mixed:6"), seed=1
    ),
    "swav": lambda **k: swav.SwAV(
        Tiny(**k), WIDTH, swav.Config(width=5, hidden=7, prototypes=9, frozen=1, queue=20, queue_from=0), seed=1
    ),
    "byol": lambda **k: byol.BYOL(Tiny(**k), WIDTH, byol.Config(width=5, hidden=7, momentum=0.9), seed=1),
    "barlow-twins": lambda **k: barlow_twins.BarlowTwins(
        Tiny(**k), WIDTH, barlow_twins.Config(width=5, hidden=7), seed=1
    ),
}
every_method = pytest.mark.parametrize("name", MADE)


def trained(name, steps, lengths=(2, 2)):
    method = MADE[name]()
    optimizer = torch.optim.SGD([p for p in method.parameters() if p.requires_grad], lr=0.1)
    outcomes = [train_step(method, floats(made_up(step, lengths)), optimizer)[0] for step in range(steps)]
    return method, outcomes


def floats(batch):
    return replace(batch, views=tuple(view.float() for view in batch.views))


def equal(first, second):
    assert first.keys() == second.keys()
    return all(torch.equal(first[name], second[name]) for name in first)


@every_method
def test_compare_is_pure(name):
    method, _ = trained(name, 3)
    z = method.embed(floats(made_up(3))).joined()
    before = copy.deepcopy(method.state_dict())
    first, second = method.compare(z), method.compare(z)
    assert torch.equal(first.loss, second.loss) and first.guessing == second.guessing
    assert {k: float(v) for k, v in first.diagnostics.items()} == {k: float(v) for k, v in second.diagnostics.items()}
    assert equal(before, method.state_dict())


@every_method
def test_a_row_is_embedded_without_the_others(name):
    method = MADE[name](norm=False).eval()
    batch = floats(made_up(0))
    half = replace(batch, views=tuple(view[:5] for view in batch.views), ids_B=batch.ids_B[:5])
    whole, part = method.embed(batch), method.embed(half)
    for role in whole.roles:
        torch.testing.assert_close(whole[role][..., :5, :], part[role], rtol=1e-5, atol=1e-6)


@every_method
def test_a_run_goes_on_from_its_state_dict(name):
    method, _ = trained(name, 3)
    other = MADE[name]()
    other.load_state_dict(copy.deepcopy(method.state_dict()))
    for one in (method, other):
        one.last = [
            train_step(one, floats(made_up(step)), torch.optim.SGD(one.parameters(), lr=0.1))[0].loss for step in (3, 4)
        ]
    assert torch.equal(torch.stack(method.last), torch.stack(other.last))
    assert equal(method.state_dict(), other.state_dict())


@every_method
def test_what_an_outcome_holds(name):
    _, outcomes = trained(name, 9)
    assert all(torch.isfinite(outcome.loss) for outcome in outcomes)
    first, second = outcomes[-1].pair
    assert first.shape == second.shape == (ROWS, 5) and not first.requires_grad and not second.requires_grad
    assert all(math.isfinite(float(sign)) for sign in outcomes[-1].diagnostics.values())


@every_method
def test_more_views_than_two(name):
    _, outcomes = trained(name, 2, lengths=(2, 2, 3, 3))
    assert math.isfinite(outcomes[-1].loss.item())


@every_method
def test_every_trained_parameter_is_in_one_group(name):
    method = MADE[name]()
    grouped = [id(p) for group in method.parameter_groups() for p in group.parameters]
    assert sorted(grouped) == sorted(id(p) for p in method.parameters() if p.requires_grad)


@pytest.mark.parametrize("name", ["simclr", "simclr, more", "moco", "swav", "byol", "barlow-twins"])
def test_guessing_is_the_loss_at_equal_similarities(name):
    method = MADE[name]().double()
    z = method.embed(made_up(0)).joined()
    rows, dims = 4096, 5
    if name.startswith(("simclr", "moco")):
        same = {role: torch.ones_like(value) for role, value in z.roles.items()}
        if method.negatives.queue is not None:
            method.negatives.queue.keys_KD.fill_(1.0)
    elif name == "swav":
        same = {"views": torch.ones_like(z["views"])}
        method.prototypes[0].weight.data.copy_(torch.full((9, dims), dims**-0.5))
    else:  # in the mean over draws that have nothing to do with each other
        draw = torch.Generator().manual_seed(3)
        z = replace(z, ids_B=torch.arange(rows))
        same = {role: torch.randn(len(value), rows, dims, generator=draw).double() for role, value in z.roles.items()}
    outcome = method.compare(replace(z, roles=same))
    exact = name not in ("byol", "barlow-twins")
    assert outcome.loss.item() == pytest.approx(outcome.guessing, rel=1e-6 if exact else 0.05)


@pytest.mark.parametrize("weight", [0.0051, 0.5])
def test_barlow_guesses_with_its_weight(weight):
    """Unlike outputs correlate by chance, the more the fewer rows: 8 rows, mean of 400 draws."""
    config = barlow_twins.Config(width=5, hidden=7, off_diagonal_weight=weight)
    method, draw = barlow_twins.BarlowTwins(Tiny(), WIDTH, config, seed=1).double(), keyed.generator("unlike")
    z = replace(method.embed(made_up(0)).joined(), ids_B=torch.arange(8))
    draws = [torch.randn(2, 8, 5, generator=draw).double() for _ in range(400)]
    outcomes = [method.compare(replace(z, roles={"views": views})) for views in draws]
    assert statistics.mean(each.loss.item() for each in outcomes) == pytest.approx(outcomes[0].guessing, rel=0.03)


def test_same_group_is_no_negative():
    apart = simclr.SimCLR(Tiny(), WIDTH, simclr.Config(width=5, decoupled=True), seed=1)  # else: SupCon
    for method in (apart, MADE["moco"]()):
        for step in range(3):
            optimizer = torch.optim.SGD(method.parameters(), lr=0.1)
            outcome, _ = train_step(method, floats(made_up(step, groups=1)), optimizer)
        assert outcome.guessing == 0.0 and outcome.loss.item() == 0.0  # nobody is left to be told from


def test_the_target_has_no_gradient():
    method = MADE["byol"]()
    z = method.embed(floats(made_up(0)))
    assert z["prediction"].requires_grad and not z["target"].requires_grad
    key = MADE["moco"]().embed(floats(made_up(0)))["key"]
    assert not key.requires_grad


def test_moco_symmetric_pushes_both_key_sets_once_and_never_meets_its_own():
    method = MADE["moco, more"]()
    batch = floats(made_up(0))
    outcome = method.compare(method.embed(batch).joined())
    assert not torch.isin(batch.ids_B, method.negatives.queue.names_K).any()
    method.after_step(outcome, Progress(1, 10))
    assert int(method.negatives.queue.pushed) == 2 * ROWS


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


def test_twins_keep_their_own_statistics():
    method, _ = trained("byol", 1)
    online, own = method.encoder.layers[1], method.twin.module[0].layers[1]
    assert int(own.num_batches_tracked) == int(online.num_batches_tracked) == 2


def test_frozen_prototypes_stand_still_under_momentum_and_decay():
    method = swav.SwAV(Tiny(), WIDTH, swav.Config(width=5, hidden=7, prototypes=9, frozen=3), seed=1)
    before = method.prototypes[0].weight.detach().clone()
    optimizer = torch.optim.SGD(method.parameters(), lr=0.1, momentum=0.9, weight_decay=0.1)
    for step in range(3):
        train_step(method, floats(made_up(step)), optimizer)
    assert torch.equal(method.prototypes[0].weight, before)
    train_step(method, floats(made_up(3)), optimizer)
    assert not torch.equal(method.prototypes[0].weight, before)


def test_barlow_of_identical_views_has_no_on_diagonal_part():
    same = torch.randn(64, 7, generator=torch.Generator().manual_seed(1))
    signs = barlow_twins.parts(same, same)
    assert float(signs["on_diagonal"]) < 1e-6 < float(signs["off_diagonal"])


def test_method_files_are_short_and_share_little():
    """Lines of each file, and the share of them that stand in its nearest other one: -s prints them."""
    texts = {known.module: methods.source(name) for name, known in methods.METHODS.items()}
    lines = {module: [line.strip() for line in text.splitlines() if line.strip()] for module, text in texts.items()}
    for module, mine in lines.items():
        shared = {
            other: sum(line in set(lines[other]) for line in mine) / len(mine) for other in lines if other != module
        }
        nearest = max(shared, key=shared.__getitem__)
        long = len(texts[module].splitlines())
        print(f"{module:14} {long:4} lines, {shared[nearest]:.0%} of them in {nearest}")
        assert long <= 130, module
        assert shared[nearest] < 0.35, (module, nearest)


@pytest.mark.parametrize("name", methods.METHODS)
def test_every_number_has_its_source(name):
    for field, _, source in methods.numbers(name):
        assert source, f"{name}: {field} has no comment that says where it comes from"
    assert methods.configured(name, {}) == methods.configured(name, {})


@every_method
def test_the_shares_of_all_rows_add_up(name):
    method, _ = trained(name, 3)
    z = method.embed(floats(made_up(3))).joined()
    whole = method.compare(z).loss.item()
    parts = [method.compare(replace(z, rows=rows)).loss.item() for rows in (slice(0, 5), slice(5, 6), slice(6, ROWS))]
    assert sum(parts) == pytest.approx(whole, rel=1e-5)


@every_method
def test_the_pair_is_two_views_of_the_same_rows(name):
    method = MADE[name](norm=False).eval()
    batch = floats(made_up(0))
    swapped = replace(batch, views=batch.views[::-1])
    first, second = method.compare(method.embed(batch)).pair
    other_second, other_first = method.compare(method.embed(swapped)).pair
    assert not torch.allclose(first, second)
    if not name.startswith("moco"):  # whose second of the pair comes from the twin
        torch.testing.assert_close(first, other_first)
        torch.testing.assert_close(second, other_second)


def test_barlow_biases_have_their_own_rate():
    weights, biases = MADE["barlow-twins"]().parameter_groups()
    assert weights.scale == 1.0 and biases.scale == 0.0015 and not biases.decay and not biases.adapt
    assert all(p.ndim > 1 for p in weights.parameters) and all(p.ndim == 1 for p in biases.parameters)


def test_simclr_queues_the_second_views():
    method = MADE["simclr, more"]()
    outcome = method.compare(method.embed(floats(made_up(0))))
    method.after_step(outcome, Progress(1, 10))
    kept = method.negatives.queue.keys_KD
    second = torch.nn.functional.normalize(outcome.embeddings["views"][1].detach())
    assert torch.cdist(kept, second).amin(1).max() < 1e-3
