"""VICReg from outside the package: the loss against plain float64 loops, and the whole product around it."""

import importlib.util
import math
from pathlib import Path

import pytest
import torch

from kontrast import keyed, methods, verify
from kontrast.methods.method import Batch
from kontrast.recipes.resolve import planned
from kontrast.recipes.rules import Facts
from kontrast.settings import Settings
from kontrast.verify import gradients, multiprocess, tiny_methods

FILE = Path(__file__).parents[2] / "examples" / "vicreg.py"
NAME = f"{FILE}:VICReg"
QUICK = {"epochs": 2, "batch_size": 255, "threads": 1, "validate": "none", "precision": "fp32"}


def module():
    spec = importlib.util.spec_from_file_location("vicreg_for_tests", FILE)
    made = importlib.util.module_from_spec(spec)
    import sys

    sys.modules[spec.name] = made
    spec.loader.exec_module(made)
    return made


def rows(*shape, key=0):
    return torch.randn(*shape, generator=keyed.generator("vicreg", key), dtype=torch.float64)


def by_hand(first, second, invariance, variance, covariance):
    """Equations 1 to 6 of the paper entry by entry, the hinge halved as the official code has it."""
    B, D = first.shape
    total = first.new_zeros(())
    for b in range(B):
        for d in range(D):
            total = total + invariance * (first[b, d] - second[b, d]) ** 2 / (B * D)
    for z in (first, second):
        mean = [sum(z[b, d] for b in range(B)) / B for d in range(D)]
        for i in range(D):
            own = sum((z[b, i] - mean[i]) ** 2 for b in range(B)) / (B - 1)
            deviation = (own + 0.0001) ** 0.5
            if deviation < 1:
                total = total + variance * (1 - deviation) / (2 * D)
            for j in range(D):
                if i != j:
                    shared = sum((z[b, i] - mean[i]) * (z[b, j] - mean[j]) for b in range(B)) / (B - 1)
                    total = total + covariance * shared**2 / D
    return total


@pytest.mark.parametrize("scale", [0.3, 1.0, 3.0])
def test_loss_and_gradient_are_those_of_the_paper(scale):
    vicreg = module()
    views = [(scale * rows(7, 4, key=k)).requires_grad_() for k in (1, 2)]
    parts = vicreg.parts(*views)
    loss = 25 * parts[0] + 25 * parts[1] + 1 * parts[2]
    ours = torch.autograd.grad(loss, views)
    wanted = by_hand(*views, 25, 25, 1)
    torch.testing.assert_close(loss, wanted, rtol=1e-12, atol=1e-12)
    for got, right in zip(ours, torch.autograd.grad(wanted, views)):
        torch.testing.assert_close(got, right, rtol=1e-10, atol=1e-12)


def test_shares_of_any_rows_add_up_to_the_whole():
    vicreg = module()
    first, second = rows(9, 5, key=1), rows(9, 5, key=2)
    whole = torch.stack(vicreg.parts(first, second))
    cuts = (slice(0, 4), slice(4, 5), slice(5, 9))
    shares = sum(torch.stack(vicreg.parts(first, second, cut)) for cut in cuts)
    torch.testing.assert_close(shares, whole, rtol=1e-12, atol=1e-14)


def test_compare_weighs_the_parts_and_takes_the_mean_over_views():
    made_by, config = methods.load(str(FILE))
    encoder = tiny_methods.encoder_for(NAME)
    numbers = config(width=6, hidden=9, invariance=2.0, variance=3.0, covariance=5.0)
    method = made_by(encoder, encoder.width, numbers, seed=1).double()
    views = tuple(rows(8, 1, 8, 8, key=k) for k in range(3))
    z = method.embed(Batch(views, torch.arange(8), 0, 1, 0))
    outcome = method.compare(z)
    first, *others = z["views"]
    wanted = sum(by_hand(first, other, 2.0, 3.0, 5.0) for other in others) / 2
    torch.testing.assert_close(outcome.loss, wanted, rtol=1e-12, atol=1e-12)
    assert outcome.guessing == pytest.approx(3.0 * 0.99)  # a deviation of 0 counts as the root of 0.0001
    assert set(outcome.diagnostics) == {"invariance", "variance", "covariance"}
    flat = method.compare(type(z)(**{**vars(z), "roles": {"views": torch.zeros_like(z["views"])}}))
    assert float(flat.loss) == pytest.approx(outcome.guessing)


def test_two_processes_are_one():
    found = multiprocess.ask(2, gradients.measure, (NAME,), 6)
    mine = [(dtype, measured) for what, dtype, measured in found if what == NAME]
    assert len(mine) == 2
    for dtype, measured in mine:
        assert measured < gradients.BOUNDS[getattr(torch, dtype)], (dtype, measured)


@pytest.mark.parametrize("check", ["contract", "chunks", "resume", "numerics", "chance"])
def test_verify_is_green(check):
    found = list(verify.run(check, str(FILE)))
    assert any("vicreg" in finding.what for finding in found)
    assert not [finding.what for finding in found if not finding.passed]


def test_published_numbers_and_what_becomes_of_them():
    big, small = (planned(Settings(method=str(FILE), **more), facts) for facts, more in (
        (Facts(1_281_167, 224, 3, True, True), {"optimizer": "lars", "batch_size": 2048, "set": ["width=8192"]}),
        (Facts(1_437, 8, 1, False, False), {}),
    ))  # fmt: skip
    assert (big.settings.lr, big.settings.weight_decay, big.settings.optimizer) == (1.6, 1e-6, "lars:byol")
    assert (big.config.width, big.settings.views, big.settings.schedule) == (8192, "byol", "cosine:end=0.001")
    assert (small.config.width, small.config.hidden, small.config.invariance) == (512, 512, 25.0)
    assert len(FILE.read_text().splitlines()) <= 120 and math.isclose(vars(small.config)["covariance"], 1.0)
