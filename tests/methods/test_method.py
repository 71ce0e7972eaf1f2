"""What every method promises of its three verbs, whatever its paper."""

import copy
import math
from dataclasses import replace

import pytest
import torch
from tests.methods.made import MADE, equal, every_method, floats, trained
from tests.methods.stepping import ROWS, WIDTH, Tiny, made_up, train_step

from kontrast import methods
from kontrast.methods import simclr


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


def test_twins_keep_their_own_statistics():
    method, _ = trained("byol", 1)
    online, own = method.encoder.layers[1], method.twin.module[0].layers[1]
    assert int(own.num_batches_tracked) == int(online.num_batches_tracked) == 2


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
