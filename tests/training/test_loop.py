"""The loop on a method of one number: what it asks when, how it stops, and what it does with bad numbers."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from kontrast.errors import Failed
from kontrast.methods.method import Batch, Embeddings, Group, Outcome
from kontrast.training.loop import Course, State, Training, fit, gradients_finite, one_step
from kontrast.training.watch import Watch


class Slope(nn.Module):
    """loss = w, so each step of SGD at rate 1 takes 1 from it."""

    def __init__(self):
        super().__init__()
        self.encoder = nn.Identity()
        self.w = nn.Parameter(torch.tensor(0.0))
        self.steps = []

    def embed(self, batch):
        u = torch.randn(2, 4, 3, generator=torch.Generator().manual_seed(batch.step))
        return Embeddings({"views": u}, batch.ids_B, batch.step, batch.total, batch.seed, u[0])

    def compare(self, z):
        return Outcome(self.w * 1.0, 1.0, z, (z["views"][0], z["views"][1]))

    def after_step(self, outcome, progress):
        self.steps.append((progress.step, progress.total))

    def parameter_groups(self):
        return [Group([self.w])]


class Batches:
    waited, messages = 0.0, ()

    def __call__(self, step):
        return Batch((), torch.arange(4), step, 6, 0)


class Books:
    """All that the loop says, in turn."""

    def __init__(self, stop_at=None):
        self.said, self.training, self.stop_at = [], None, stop_at

    def log(self, row):
        self.said.append(("log", row["step"]))

    def save(self):
        self.said.append(("save", self.training.state.step))

    def each_epoch(self, epoch):
        self.said.append(("epoch", epoch))

    def evaluate(self):
        self.said.append(("evaluate", self.training.state.step))

    def stop(self):
        return 130 if self.training.state.step == self.stop_at else 0


def going(books, **course):
    method = Slope()
    groups = method.parameter_groups()
    optimizer = torch.optim.SGD([{"params": group.parameters} for group in groups], lr=1.0)
    plan = Course(**{"steps": 6, "per_epoch": 3, "lr": 1.0, "schedule": lambda step: 1.0, "log_every": 2, **course})
    books.training = Training(method, Batches(), optimizer, groups, plan, State(), Watch(6))
    return books.training


def test_what_is_asked_when():
    books = Books()
    training = going(books, evaluate_every=3)
    assert fit(training, books) == "done"
    assert float(training.method.w.detach()) == -6 and training.method.steps == [(n, 6) for n in range(1, 7)]
    assert [n for what, n in books.said if what == "log"] == [1, 2, 4, 6]
    assert books.said[2:6] == [("evaluate", 3), ("epoch", 1), ("save", 3), ("log", 4)]
    assert books.said[-3:] == [("evaluate", 6), ("epoch", 2), ("save", 6)]


def test_a_signal_saves_and_the_rest_is_the_same_run():
    books = Books(stop_at=4)
    training = going(books)
    assert fit(training, books) == "stopped" and training.state.step == 4 and books.said[-1] == ("save", 4)
    books.stop_at = None
    assert fit(training, books) == "done" and float(training.method.w.detach()) == -6


def test_time_that_is_over_ends_it():
    books = Books()
    assert fit(going(books, stop_seconds=-1.0), books) == "time"
    assert books.said[-1] == ("save", 1)


def test_the_schedule_scales_the_rate():
    books = Books()
    training = going(books, schedule=lambda step: 0.5 if step < 3 else 0.0)
    fit(training, books)
    assert float(training.method.w.detach()) == -1.5


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_loss_that_is_no_number_stops_in_words(bad):
    books = Books()
    training = going(books)
    training.method.w.data.fill_(bad)
    with pytest.raises(Failed, match=r"The loss is (nan|inf) at step 0"):
        fit(training, books)


def test_under_fp16_a_gradient_that_overflows_halves_the_scale_and_takes_no_step():
    books = Books()
    training = going(books)
    training.method.w.register_hook(lambda g: g * torch.inf)
    state = State(loss_scale=8.0)
    step = (training.method, Batches()(0), training.optimizer, training.groups)
    one_step(*step, state, "fp16", torch.device("cpu"))
    assert state.loss_scale == 4.0 and float(training.method.w.detach()) == 0.0
    with pytest.raises(Failed, match=r"A gradient is not finite at step 0 \(fp32\)"):
        one_step(*step, replace(state), "fp32", torch.device("cpu"))


def test_the_scale_is_undone_in_place():
    p = nn.Parameter(torch.zeros(2))
    p.grad = torch.tensor([8.0, 16.0])
    assert gradients_finite([p], 8.0) and p.grad.tolist() == [1.0, 2.0]
    p.grad = torch.tensor([1.0, torch.nan])
    assert not gradients_finite([p], 1.0)
