"""Runs of several processes: `kontrast.train` in each of them, with the variables that torchrun sets.

Started from a process that has imported everything, so that a world costs seconds; torchrun itself: test_torchrun.py.
"""

import contextlib
import dataclasses
import datetime
import json
import os
import signal
import socket
import sys
import time

import numpy as np
import pytest
import torch
from tests import small_data

from kontrast.distributed import processes
from kontrast.errors import Failed
from kontrast.run import start, trainer
from kontrast.training import checkpoints
from kontrast.verify import multiprocess, tiny_methods

STEPS = 20
# 4 steps an epoch; 12 and 11 rows, or 8, 8 and 7
QUICK = {"epochs": 5, "batch_size": 23, "validate": "none", "threads": 1, "precision": "fp32"}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    pytest.importorskip("tokenizers", reason="tokenizers is not installed")
    return small_data.written(tmp_path_factory.mktemp("data"))


def in_float64(fit):
    """The same loop on doubles. In fp32 rounding grows with the steps, so one thread already parts from two."""

    def doubled(training, books):
        training.method.double()
        for of_parameter in training.optimizer.state.values():
            of_parameter |= {name: tensor.double() for name, tensor in of_parameter.items()}
        return fit(dataclasses.replace(training, batches=Doubles(training.batches)), books)

    return doubled


class Doubles:
    """Batches whose pixels are float64; tokens stay whole numbers."""

    waited, messages = 0.0, ()

    def __init__(self, batches):
        self.batches = batches

    def __call__(self, step):
        batch = self.batches(step)
        wide = (view.double() if getattr(view, "dtype", None) == torch.float32 else view for view in batch.views)
        return dataclasses.replace(batch, views=tuple(wide))


def _one(place, count, port, words, said, harm, exactly):
    """One process of a run; `harm` is (process, step, signal): it sends itself that signal in that step."""
    os.environ |= {"RANK": str(place), "LOCAL_RANK": str(place), "WORLD_SIZE": str(count), "MASTER_PORT": str(port)}
    os.environ |= {"LOCAL_WORLD_SIZE": str(count), "MASTER_ADDR": "127.0.0.1"}
    sys.stderr = open(said / str(place), "a", buffering=1)  # noqa: SIM115  (as long as the process)
    trainer.finish = lambda *_, **__: None  # here only the bits count
    steps, summed = [], processes.sum_gradients

    def harmed(parameters):
        steps.append(1)
        if harm and (place, len(steps)) == harm[:2]:
            os.kill(os.getpid(), harm[2])
        summed(parameters)

    processes.sum_gradients = harmed
    if exactly:
        trainer.fit = in_float64(trainer.fit)
    if harm and harm[2] == signal.SIGSTOP:
        processes.TIMEOUT = datetime.timedelta(seconds=6)
    try:
        sys.exit(start.train(**words).exit_code)
    except Failed as problem:
        print(problem, file=sys.stderr)
        sys.exit(1)


def world(count, words, said, harm=(), exactly=False):
    """The exit codes of a run of so many processes, and what each said; a stopped process is ended at last."""
    said.mkdir(exist_ok=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    members = [
        multiprocess.warm().Process(target=_one, args=(i, count, port, words, said, harm, exactly))
        for i in range(count)
    ]
    for member in members:
        member.start()
    deadline = time.monotonic() + 120
    for place, member in enumerate(members):
        stopped = harm and harm[2] == signal.SIGSTOP and place == harm[0]
        if not stopped:
            member.join(max(0, deadline - time.monotonic()))
    codes = [member.exitcode for member in members]
    for member in members:
        with contextlib.suppress(ProcessLookupError):
            os.kill(member.pid, signal.SIGKILL)
        member.join()
    return codes, [(said / str(place)).read_text() for place in range(count)]


def losses(out):
    rows = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    return [row["loss"] for row in rows if "loss" in row]


def ending(out):
    tensors, state = checkpoints.load(checkpoints.found(out / "checkpoints")[-1])
    return {name: tensor.numpy().tobytes() for name, tensor in tensors.items()}, state["loop"]


@pytest.mark.proof
@pytest.mark.parametrize("method", tiny_methods.NAMES)
def test_runs_of_one_two_and_three_processes_are_one_and_outlive_a_kill(method, data, tmp_path):
    """Uneven rows, 20 steps, each world on its own weights: one run in float64; a kill changes no bit, in fp32."""
    words = {"method": method, "data": small_data.of(method, data), "optimizer": "sgd", "lr": 0.01, **QUICK}
    for count in (1, 2, 3):
        exact = {**words, "out": str(tmp_path / f"exact{count}")}
        codes, said = world(count, exact, tmp_path / f"said{count}", exactly=True)
        assert codes == [0] * count, said
    alone = losses(tmp_path / "exact1")
    assert len(alone) == STEPS
    for count in (2, 3):
        np.testing.assert_allclose(losses(tmp_path / f"exact{count}"), alone, rtol=1e-9)

    codes, said = world(2, {**words, "out": str(tmp_path / "2")}, tmp_path / "plain")
    assert codes == [0, 0], said
    out, place = (
        tmp_path / "killed",
        tiny_methods.NAMES.index(method) % 2,
    )  # the first process, which writes, or the other
    codes, said = world(2, {**words, "out": str(out)}, tmp_path / "said", (place, 11, signal.SIGKILL))
    assert codes[place] == -signal.SIGKILL and codes[1 - place] == 1, (codes, said)
    assert "Another process of this run ended" in said[1 - place] and "--resume" in said[1 - place]
    codes, said = world(2, {"resume": str(out)}, tmp_path / "again")
    assert codes == [0, 0] and "at step 8" in said[0], said
    assert ending(out) == ending(tmp_path / "2"), "the same bits as the run that nobody killed"
    assert losses(out) == losses(tmp_path / "2")


@pytest.mark.proof
def test_a_process_that_falls_silent_ends_the_others_in_words(data, tmp_path):
    words = {"method": "simclr", "data": small_data.of("simclr", data), "out": str(tmp_path / "run"), **QUICK}
    began = time.monotonic()
    codes, said = world(2, words, tmp_path / "said", (1, 6, signal.SIGSTOP))
    assert codes[0] == 1 and "kept silent for 0.1 minutes" in said[0] and time.monotonic() - began < 60, said
    codes, said = world(2, {"resume": str(tmp_path / "run")}, tmp_path / "again")
    assert codes == [0, 0] and "at step 4" in said[0], said


@pytest.mark.parametrize("number,code", [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_polite_signal_to_one_process_ends_all_after_saving(number, code, data, tmp_path):
    out = tmp_path / "run"
    words = {"method": "simclr", "data": small_data.of("simclr", data), "out": str(out), **QUICK}
    codes, said = world(2, words, tmp_path / "said", (1, 6, number))
    assert codes == [code, code], said
    assert f"--resume {out}" in said[0] and said[1] == ""
    assert checkpoints.newest(out / "checkpoints")[1]["step"] == 6
