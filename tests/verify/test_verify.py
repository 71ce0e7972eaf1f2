"""The checks a user can run: green on this code, and each one red when the fault it is for is planted."""

import json
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from tests.verify import faults

from kontrast import keyed, losses, verify
from kontrast.errors import Unfit
from kontrast.modalities.images import batches
from kontrast.training import checkpoints
from kontrast.training import chunks as cutting
from kontrast.verify import chance, chunks, crash, gradients, multiprocess, numerics, resume, tiny_methods, views


def reds(findings):
    return {finding.what for finding in findings if not finding.passed}


def test_the_quick_checks_are_green():
    for name in ("resume", "numerics", "chance", "crash"):
        findings = list(verify.run(name))
        assert findings and not reds(findings)


def test_views_do_not_depend_on_how_they_are_made(monkeypatch):
    assert not reds(views.check())
    real = batches.views

    def by_worker(pictures, recipe, keys, **words):  # drawn by place in the batch instead of by name
        return real(pictures, recipe, type(keys)(keys.seed, keys.epoch, np.arange(len(keys.ids_B))), **words)

    monkeypatch.setattr(batches, "views", by_worker)
    assert any("processes" in what for what in reds(views.check())) and any("batches" in w for w in reds(views.check()))


def test_three_processes_are_one_for_every_method_and_every_loss():
    """Uneven rows (9, 8 and 8). `kontrast verify gradients` makes 20 steps, with two processes too."""
    found = multiprocess.ask(3, gradients.measure, tiny_methods.NAMES, 6)
    assert {what for what, _, _ in found} == {*tiny_methods.NAMES, "every loss"}
    for what, dtype, measured in found:
        assert measured < gradients.BOUNDS[getattr(torch, dtype)], (what, dtype)


ACROSS_ROWS = {"simclr", "barlow-twins", "clip", "simcse", "every loss"}  # others compare with what has no gradient


@pytest.mark.parametrize(
    "fault,seen",
    [(faults.gather_without_gradient, ACROSS_ROWS), (faults.mean_over_processes, {*tiny_methods.NAMES})],
    ids=["gather without gradient", "1/W forgotten"],
)
def test_faults_of_other_codes_are_seen(fault, seen):
    found = multiprocess.ask(2, gradients.measure, tiny_methods.NAMES, 1, before=fault)
    assert {what for what, dtype, measured in found if measured > 1e-3} >= seen


def test_a_torch_error_in_a_world_is_told():
    with pytest.raises(Exception, match="did not work together"):
        multiprocess.ask(2, gradients.measure, ("nobody",), 1)


def test_chunks_are_the_whole_for_every_method():
    assert not reds(chunks.check())


def test_drop_out_that_is_not_replayed_is_seen(monkeypatch):
    monkeypatch.setattr(cutting, "checkpoint", faults.generator_not_replayed(cutting))
    assert chunks.replayed() > 1e-3


def test_pieces_compared_alone_are_seen(monkeypatch):
    """Gradient accumulation, which others call a large batch."""
    monkeypatch.setattr(chunks, "_step", partial(accumulated, chunks._step))
    assert chunks.apart("simclr", torch.float64) > 0.01


def accumulated(step, method, batch, size=0, *rest, **words):
    if not size:
        return step(method, batch, *rest, **words)
    parts = [slice(start, start + size) for start in range(0, tiny_methods.ROWS, size)]
    gradients_of = [step(method, tiny_methods.rows_of(batch, part), *rest, **words) for part in parts]
    return {name: sum(g[name] for g in gradients_of) / len(parts) for name in gradients_of[0]}


def test_a_checkpoint_without_the_queue_is_seen(monkeypatch):
    real = checkpoints.save
    monkeypatch.setattr(
        checkpoints, "save", lambda folder, tensors, state: real(folder, faults.without_queue(tensors, state), state)
    )
    assert reds(resume.check(("moco", "simclr", "byol"))) == {
        f"{name}: tensors that differ after a resume" for name in ("moco", "simclr")
    }


def test_a_softmax_in_half_precision_is_seen(monkeypatch):
    monkeypatch.setattr(losses, "nt_xent", faults.half_log_sum_exp)
    red = reds(numerics.check(()))
    assert any("nt_xent" in what for what in red) and not any("clip" in what for what in red)


def test_a_queue_that_forgets_names_is_seen(monkeypatch):
    real = torch.Tensor.fill_
    monkeypatch.setattr(torch.Tensor, "fill_", lambda self, value: real(self, -1 if value == 7 else value))
    assert chance.from_own_keys("moco") > 0.1


def test_a_wrong_guessing_is_seen(monkeypatch):
    real = tiny_methods.method

    def off_by_one(name):
        method = real(name)
        compare = method.compare
        method.compare = lambda z: replace(outcome := compare(z), guessing=1.01 * outcome.guessing)
        return method

    monkeypatch.setattr(tiny_methods, "method", off_by_one)
    assert chance.apart("moco") > 1e-3


def test_a_rename_before_the_content_is_there_is_seen(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoints, "digest", lambda tensors, state: "same")
    assert crash.harmed(tmp_path / "a", crash.HARM["altered by one bit"]) == 1


def test_the_table_fits_80_columns_and_failures_exit_1(capsys, monkeypatch):
    assert verify.shown("chance", "moco") == 0
    said = capsys.readouterr().out.splitlines()
    assert max(map(len, said)) <= 80 and said[-1] == "2 of 2 checks passed."
    monkeypatch.setattr(chance, "apart", lambda name: float("nan"))
    assert verify.shown("chance", "moco", as_json=True) == 1
    told = json.loads(capsys.readouterr().out)
    assert not told["passed"] and told["findings"][0]["check"] == "chance"


@pytest.mark.parametrize("words,nearest", [(("gradient",), "gradients"), ((None, "mocco"), "moco")])
def test_unknown_words_are_told_with_the_nearest(words, nearest):
    with pytest.raises(Unfit, match=f"did you mean '{nearest}'"):
        list(verify.run(*words))


def test_draws_lent_to_other_peoples_layers_are_named_and_given_back():
    before = torch.get_rng_state()
    with keyed.lent(torch.device("cpu"), "step", 3):
        first = torch.rand(4)
    with keyed.lent(torch.device("cpu"), "step", 3):
        assert torch.equal(torch.rand(4), first)
    assert torch.equal(torch.get_rng_state(), before)
