"""fp16: an overflow halves the loss scale and costs its step; good steps bring it back, as in torch's GradScaler."""

import math
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

import kontrast
from kontrast.errors import Failed
from kontrast.methods.method import Batch, Embeddings, Group, Outcome
from kontrast.training import checkpoints, loop
from kontrast.training.loop import State, one_step, rescale


class Line(nn.Module):
    """A method whose gradient is what its batch says: finite, or an overflow."""

    def __init__(self):
        super().__init__()
        self.encoder = nn.Linear(1, 1, bias=False)
        nn.init.ones_(self.encoder.weight)

    def embed(self, batch):
        return Embeddings.of(batch, batch.views[0], views=self.encoder(batch.views[0]))

    def compare(self, z):
        return Outcome(z["views"].sum() * (z.step + 1), 0.0, z, (z["views"], z["views"]))

    def parameter_groups(self):
        return [Group(list(self.parameters()))]


def step(method, state, optimizer, slope, precision="fp16", number=0):
    batch = Batch((torch.tensor([[slope]]),), torch.zeros(1, dtype=torch.int64), number, 9, 0)
    return one_step(method, batch, optimizer, method.parameter_groups(), state, precision, torch.device("cpu"))


def begun():
    method = Line()
    return method, State(), torch.optim.SGD(method.parameters(), lr=0.5)


def test_an_overflow_costs_its_step_and_halves_the_scale():
    method, state, sgd = begun()
    step(method, state, sgd, 2.0)  # 65,536 times 2 is more than fp16 holds
    assert (state.loss_scale, state.good_steps, float(method.encoder.weight.detach())) == (32768.0, 0, 1.0)
    step(method, state, sgd, 0.5)
    assert (state.loss_scale, state.good_steps) == (32768.0, 1)
    assert float(method.encoder.weight.detach()) == pytest.approx(1 - 0.5 * 0.5)  # the gradient is unscaled


def test_the_scale_is_that_of_torchs_scaler(monkeypatch):
    """Any course of overflows, step by step against `torch.amp.GradScaler`'s own update."""
    monkeypatch.setattr(loop, "GROW_AFTER", 5)
    scale, tracker, state = torch.tensor(65536.0), torch.tensor(0, dtype=torch.int32), State()
    for bad in torch.rand(400, generator=torch.Generator().manual_seed(3)) < 0.15:
        torch._amp_update_scale_(scale, tracker, bad.float(), 2.0, 0.5, 5)
        rescale(state, not bool(bad))
        assert (state.loss_scale, state.good_steps) == (float(scale), int(tracker))


def test_overflows_do_not_end_a_long_run_but_a_scale_below_one_does(monkeypatch):
    monkeypatch.setattr(loop, "GROW_AFTER", 3)
    method, state, sgd = begun()
    for _ in range(40):  # an overflow and what is needed to grow again, 40 times over
        while state.good_steps or state.loss_scale < 65536:
            step(method, state, sgd, 2.0**-9)
        step(method, state, sgd, 2.0)
    assert state.loss_scale == 32768
    with pytest.raises(Failed, match=r"gradient is not finite at step 9 \(fp16\)"):
        for _ in range(17):
            step(method, state, sgd, 60000.0, number=9)  # ten times as much, in the loss, which is fp32
    assert state.loss_scale == 0.5


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_other_precisions_have_no_scale_and_stop_at_once(precision):
    method, state, sgd = begun()
    step(method, state, sgd, 2.0, precision)
    assert state == State()
    with torch.no_grad():
        method.encoder.weight.fill_(math.nan)
    with pytest.raises(Failed, match="loss is nan"):
        step(method, state, sgd, 1.0, precision)


def test_old_checkpoints_have_no_counter():
    assert State(**{"step": 7, "loss_scale": 256.0}) == replace(State(7, 256.0), good_steps=0)


def test_a_resumed_run_has_the_same_scale_and_bits(tmp_path, monkeypatch):
    """Stopped inside a count of good steps, between two growths."""
    monkeypatch.setattr(loop, "GROW_AFTER", 3)
    pictures = np.random.default_rng(0).integers(0, 256, (48, 12, 12, 3), dtype=np.uint8)
    np.save(tmp_path / "pictures.npy", pictures)
    for name in ("whole", "parts"):
        kontrast.train(
            tmp_path / "pictures.npy", out=tmp_path / name, method="simclr", epochs=4, batch_size=16, device="cpu",
            precision="fp16", threads=1, validate="none", set=["width=8", "hidden=8"],
        )  # fmt: skip
    old, new = checkpoints.found(tmp_path / "parts" / "checkpoints")
    before = checkpoints.load(old)[1]["loop"]
    assert before["good_steps"] > 0  # inside a count
    new.unlink()
    shutil.rmtree(tmp_path / "parts" / "model")
    (tmp_path / "parts" / "summary.json").unlink()
    kontrast.train(resume=tmp_path / "parts")
    (whole, kept, _), (parts, again, _) = (checkpoints.newest(tmp_path / n / "checkpoints") for n in ("whole", "parts"))
    assert kept["loop"] == again["loop"]
    assert kept["loop"]["good_steps"] < before["good_steps"] + 3  # the scale grew, or fell, in the three steps between
    assert all(torch.equal(tensor, parts[name]) for name, tensor in whole.items())
