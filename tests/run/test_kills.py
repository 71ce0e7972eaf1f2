"""`make proof`: 25 kills of every method, at random steps and inside saves; each run must end as if nothing had been.

What was shown is appended to build/kills.jsonl, one line a kill. An interrupted proof goes on behind the last line;
lines of another state of the source count for nothing. As many trials run at once as there are cores, each in one
thread; `KILLS=5` in the environment shows fewer.
"""

import contextlib
import hashlib
import json
import os
import shutil
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests import small_data

from kontrast import keyed
from kontrast.run import start, trainer
from kontrast.training import checkpoints
from kontrast.verify import multiprocess, tiny_methods

KILLS = int(os.environ.get("KILLS", "25"))
REPOSITORY = Path(__file__).parents[2]
RESULTS = REPOSITORY / "build" / "kills.jsonl"
STEPS = 30  # a checkpoint every 6


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    pytest.importorskip("tokenizers", reason="tokenizers is not installed")
    return small_data.written(tmp_path_factory.mktemp("data"))


def source_hash():
    """The state of the source that is on trial."""
    total = hashlib.blake2b(digest_size=8)
    for path in sorted((REPOSITORY / "src").rglob("*.py")):
        total.update(path.read_bytes())
    return total.hexdigest()


def shown():
    """(method, trial) that were shown for this state of the source."""
    lines = RESULTS.read_text().splitlines() if RESULTS.exists() else []
    rows = [json.loads(line) for line in lines]
    return {(row["method"], row["trial"]) for row in rows if row["source"] == source_hash() and row["passed"]}


def child(words, step=0, save=0):
    """A run in a process of its own, which kills itself at a step, or in the n-th call of fsync or rename."""
    process = multiprocess.warm().Process(target=_train, args=(words, step, save))
    process.start()
    process.join(240)
    return process.exitcode


def _train(words, step, save):
    trainer.finish = lambda *_, **__: None  # here only the bits count
    calls = []

    def deadly(real):
        def call(*args):
            calls.append(real)
            if len(calls) == save:
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*args)

        return call

    def show(row, steps):
        if row.get("step") == step and "loss" in row:
            os.kill(os.getpid(), signal.SIGKILL)

    if save:
        os.fsync, os.replace = deadly(os.fsync), deadly(os.replace)
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stderr(nowhere):
        start.train(show=show, **words)


def ending(out):
    tensors, state = checkpoints.load(checkpoints.found(out / "checkpoints")[-1])
    return {name: tensor.numpy().tobytes() for name, tensor in tensors.items()}, state["loop"]


@pytest.mark.proof
@pytest.mark.parametrize("method", tiny_methods.NAMES)
def test_25_kills_change_nothing(method, data, tmp_path):
    words = {"method": method, "epochs": 5, "batch_size": 16, "validate": "none", "threads": 1}
    words["data"] = small_data.of(method, data)
    done = shown()
    if all((method, trial) in done for trial in range(KILLS)):
        return
    assert child({**words, "out": str(tmp_path / "whole")}) == 0
    whole = ending(tmp_path / "whole")
    assert whole[1]["step"] == STEPS
    RESULTS.parent.mkdir(exist_ok=True)
    left = [trial for trial in range(KILLS) if (method, trial) not in done]
    with ThreadPoolExecutor(os.cpu_count()) as at_once:
        rows = list(at_once.map(lambda trial: killed(method, trial, words, tmp_path / str(trial), whole), left))
    assert all(row["passed"] for row in rows), [row for row in rows if not row["passed"]]


def killed(method, trial, words, out, whole):
    """One kill, the run gone on with, and whether it ended as the whole one; written down."""
    step = int(1 + keyed.below(STEPS - 1, "kill", method, trial))
    save = int(1 + keyed.below(21, "save", method, trial))  # six calls before the first step, three for a save
    inside = trial % 3 == 2
    begin = {**words, "out": str(out)}
    died = child(begin, *((0, save) if inside else (step,))) == -signal.SIGKILL
    again = {"resume": str(out)} if (out / "config.yaml").is_file() else begin  # the same words where none began
    passed = died and child(again) == 0 and ending(out) == whole
    rows = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    passed &= [row["step"] for row in rows if "loss" in row] == list(range(1, STEPS + 1))
    place = {"save": save} if inside else {"step": step}
    line = {"method": method, "trial": trial, **place, "passed": passed, "source": source_hash()}
    with open(RESULTS, "a") as file:
        file.write(json.dumps(line) + "\n")
    if passed:
        shutil.rmtree(out)
    return line


def _finish_and_die(words, nth):
    """The end of a run as it is; the process dies as it opens its n-th file after the last step."""
    opened = []

    def hook(event, args):
        if event == "open" and armed and isinstance(args[1], str) and set(args[1]) & set("wa+"):
            opened.append(args[0])
            if len(opened) == nth:
                os.kill(os.getpid(), signal.SIGKILL)

    armed = []

    def show(row, steps):
        if row["step"] == steps:
            armed.append(True)

    sys.addaudithook(hook)
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stderr(nowhere):
        start.train(show=show, **words)


def finishing(words, nth=0):
    process = multiprocess.warm().Process(target=_finish_and_die, args=(words, nth))
    process.start()
    process.join(240)
    return process.exitcode


@pytest.mark.proof
@pytest.mark.parametrize("method", ["simclr", "clip", "simcse"])
def test_a_kill_while_the_model_is_written_changes_nothing(method, data, tmp_path):
    """At every file that the end of a run opens, the last checkpoint among them."""
    words = {"method": method, "epochs": 2, "batch_size": 16, "threads": 1, "data": small_data.of(method, data)}
    assert finishing({**words, "out": str(tmp_path / "whole")}) == 0
    left = sorted(path.relative_to(tmp_path / "whole") for path in (tmp_path / "whole").rglob("*") if path.is_file())
    model = (tmp_path / "whole" / "model" / "model.safetensors").read_bytes()
    for nth in range(1, 40):
        out = tmp_path / str(nth)
        code = finishing({**words, "out": str(out)}, nth)
        if code == 0:
            break
        assert code == -signal.SIGKILL and finishing({"resume": str(out)}) == 0
        assert (out / "model" / "model.safetensors").read_bytes() == model
        assert sorted(path.relative_to(out) for path in out.rglob("*") if path.is_file()) == left, nth
    assert nth > 6


@pytest.mark.parametrize("place", [(7, 0), (0, 13)], ids=["at a step", "in a save"])
def test_a_kill_changes_nothing_here_and_now(place, data, tmp_path):
    """Two of the 25, of the method with the most memory: twin, queue and running statistics."""
    words = {"method": "moco-v2", "epochs": 3, "batch_size": 16, "validate": "none", "threads": 1}
    words["data"] = small_data.of("moco-v2", data)
    assert child({**words, "out": str(tmp_path / "whole")}) == 0
    assert child({**words, "out": str(tmp_path / "run")}, *place) == -signal.SIGKILL
    assert child({"resume": str(tmp_path / "run")}) == 0
    assert ending(tmp_path / "run") == ending(tmp_path / "whole")
