"""SIGHUP, SIGINT and SIGTERM in every phase of a run: a sentence, the right exit code, and nothing lost.

Each trial is a process of its own that signals itself from inside the phase, in the real run; then the run is gone on
with, and must leave the same files with the same bits as one that nobody disturbed.
"""

import os
import signal
import sys

import pytest
from tests import small_data

from kontrast import cli, files
from kontrast.run import finish, start, trainer
from kontrast.training import checkpoints
from kontrast.verify import multiprocess

SIGNALS = {signal.SIGHUP: 129, signal.SIGINT: 130, signal.SIGTERM: 143}
STEPS = 12  # of 2 epochs


def before(module, name, when):
    """From now on the real function is called after `when(*arguments)`."""
    real = getattr(module, name)

    def call(*args, **kwargs):
        when(*args, **kwargs)
        return real(*args, **kwargs)

    setattr(module, name, call)


def in_files(place):
    """Signals when a file at a place is about to be written."""
    return lambda send: before(files, "write_tensors", lambda path, *_: place in str(path) and send())


def at_step(step):
    def armed(send):
        before(trainer.Trainer, "log", lambda self, row: row["step"] == step and "loss" in row and send())

    return armed


PHASES = {  # name -> (arms a real run, words of the sentence, whether a run was begun)
    "reading": (lambda send: before(start, "planned_on", lambda *_: send()), "reading the data: nothing was begun", 0),
    "encoder": (lambda send: before(start, "put_together", lambda *_: send()), "nothing was begun", 0),
    "folder": (lambda send: before(start.Folder, "write_yaml", lambda *_: send()), "Nothing is lost", 1),
    "batches": (lambda send: before(trainer, "guided", lambda *_: send()), "getting ready for the first step", 1),
    "before step 1": (lambda send: before(trainer, "fit", lambda *_: send()), "Stopped at step 1 of 12 and saved", 1),
    "training": (at_step(7), "Stopped at step 7 of 12 and saved", 1),
    "last step": (at_step(STEPS), "Nothing is lost", 1),
    "checkpoint": (in_files("step-000000006"), "Stopped at step 7 of 12 and saved", 1),
    "last checkpoint": (in_files("step-000000012"), "Nothing is lost", 1),
    "export": (in_files("model/model"), "writing the model", 1),
    "evaluation": (lambda send: before(finish, "columns_of", lambda *_: send()), "evaluating", 1),
    "report": (lambda send: before(finish.page, "write", lambda *_, **__: send()), "evaluating", 1),
}


def _run(words, said, phase, number):
    sys.stderr = open(said, "w", buffering=1)  # noqa: SIM115  (as long as the process)
    sys.stdout = open(os.devnull, "w")  # noqa: SIM115
    if phase is not None:
        sent = []

        def send():
            if not sent:
                sent.append(True)
                os.kill(os.getpid(), number)

        PHASES[phase][0](send)
    cli.main(words)


def run(words, said, phase=None, number=0):
    """(exit code, what was said)."""
    process = multiprocess.warm().Process(target=_run, args=([str(w) for w in words], str(said), phase, number))
    process.start()
    process.join(240)
    return process.exitcode, said.read_text()


def ending(out):
    """What must be the same: the files there are, the last checkpoint, the model."""
    left = sorted(str(path.relative_to(out)) for path in out.rglob("*") if path.is_file())
    tensors, state = checkpoints.load(checkpoints.found(out / "checkpoints")[-1])
    weights = {name: tensor.numpy().tobytes() for name, tensor in tensors.items()}
    left = [name for name in left if "step-" not in name]  # a stop has a checkpoint of its own step
    return left, weights, state["loop"], (out / "model" / "model.safetensors").read_bytes()


@pytest.fixture(scope="module")
def begun(tmp_path_factory):
    """(the words of a run, what it leaves undisturbed)."""
    folder = tmp_path_factory.mktemp("signals")
    data = small_data.of("simclr", small_data.written(folder))
    words = ["train", data, "--method", "simclr", "--epochs", 2, "--batch-size", 14, "--threads", 1]
    code, said = run([*words, "--out", folder / "whole"], folder / "said")
    assert code == 0, said
    return words, ending(folder / "whole")


def disturbed(begun, folder, phase, number):
    words, whole = begun
    out = folder / "run"
    _, sentence, was_begun = PHASES[phase]
    code, said = run([*words, "--out", out], folder / "said", phase, number)
    assert code == SIGNALS[number], said
    assert sentence in said and "Traceback" not in said and "failed inside" not in said, said
    if not was_begun:
        assert not out.exists()
        return
    assert f"--resume {out}" in said
    code, said = run(["train", "--resume", out], folder / "said")
    assert code == 0, said
    assert ending(out) == whole


ALL = [(phase, number) for phase in PHASES for number in SIGNALS]
FEW = [("reading", signal.SIGHUP), ("folder", signal.SIGTERM), ("before step 1", signal.SIGINT)]
FEW += [("checkpoint", signal.SIGHUP), ("export", signal.SIGTERM), ("evaluation", signal.SIGINT)]


@pytest.mark.parametrize("phase,number", FEW, ids=[f"{phase}-{number.name}" for phase, number in FEW])
def test_a_signal_loses_nothing(phase, number, begun, tmp_path):
    disturbed(begun, tmp_path, phase, number)


REST = [trial for trial in ALL if trial not in FEW]


@pytest.mark.proof
@pytest.mark.parametrize("phase,number", REST, ids=[f"{phase}-{number.name}" for phase, number in REST])
def test_any_signal_in_any_phase_loses_nothing(phase, number, begun, tmp_path):
    disturbed(begun, tmp_path, phase, number)


def test_under_nohup_a_hangup_is_nothing(begun, tmp_path):
    words, whole = begun
    words = [*map(str, words), "--out", str(tmp_path / "run")]
    process = multiprocess.warm().Process(target=_ignoring, args=(words, str(tmp_path / "said")))
    process.start()
    process.join(240)
    assert process.exitcode == 0 and ending(tmp_path / "run") == whole


def _ignoring(words, said):
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    _run(words, said, "training", signal.SIGHUP)
