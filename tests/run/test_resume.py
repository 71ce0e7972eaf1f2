"""Resume that cannot be faked: kill -9 at random moments, go on, end with the same bits as if nothing had happened."""

import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from tests.training.test_checkpoints import alter

from kontrast import keyed
from kontrast.run import start, trainer
from kontrast.training import checkpoints
from kontrast.verify import multiprocess

KILLS = 2  # `make proof` does 25 of each method


def child(words, kill_at=-1, backwards=False):
    """A run in a process of its own, started from one that has imported everything; its clock may run backwards."""
    with tempfile.TemporaryDirectory() as folder:
        said = Path(folder) / "said"
        process = multiprocess.warm().Process(target=_train, args=(words, kill_at, backwards, str(said)))
        process.start()
        process.join(240)
        return SimpleNamespace(returncode=process.exitcode, stderr=said.read_text())


def _train(words, kill_at, backwards, said):
    sys.stderr = open(said, "w", buffering=1)  # noqa: SIM115  (as long as the process)
    torch.set_num_threads(1)
    trainer.finish = lambda *_, **__: None  # what a finished run leaves is tested elsewhere; here only the bits count

    def show(row, steps):
        if row.get("step") == kill_at and "loss" in row:
            os.kill(os.getpid(), signal.SIGKILL)

    if backwards:
        hours = itertools.count()
        time.time = lambda: 1.6e9 - 3600 * next(hours)
    start.train(show=show, **words)


def ending(folder):
    path = checkpoints.found(folder / "checkpoints")[-1]
    tensors, state = checkpoints.load(path)
    return {name: tensor.numpy().tobytes() for name, tensor in tensors.items()}, state


def drawn(folder, count):
    """Small pictures that differ."""
    folder.mkdir()
    pixels = keyed.below(256, "pictures", np.arange(count * 64)).reshape(count, 8, 8).astype(np.uint8)
    for i, picture in enumerate(pixels):
        Image.fromarray(picture).save(folder / f"{i:02d}.png")
    return folder


def words(data, out, **more):
    """54 steps, a checkpoint every 6."""
    settings = {"method": "simclr", "epochs": 9, "batch_size": 16, "validate": "none", "threads": 1}
    return {"data": str(data), "out": str(out), **settings, **more}


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    return drawn(tmp_path_factory.mktemp("data") / "pictures", 96)


@pytest.fixture(scope="module")
def whole(pictures, tmp_path_factory):
    """The uninterrupted run."""
    out = tmp_path_factory.mktemp("whole") / "run"
    done = child(words(pictures, out))
    assert done.returncode == 0, done.stderr
    return out


def test_killed_and_resumed_is_the_same_run(whole, pictures, tmp_path):
    for trial in range(KILLS):
        out = tmp_path / f"run{trial}"
        kill_at = int(13 + keyed.below(41, "kill", trial))
        assert child(words(pictures, out), kill_at).returncode == -signal.SIGKILL
        step = checkpoints.load(checkpoints.found(out / "checkpoints")[-1])[1]["step"]
        assert step == (kill_at - 1) // 6 * 6
        done = child({"resume": str(out)})
        assert done.returncode == 0, done.stderr
        assert f"at step {step}" in done.stderr
        rows = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
        steps = [row["step"] for row in rows if "loss" in row]
        assert steps == list(range(1, 55)), "the resumed run's first new step is the one after its checkpoint"
        assert ending(out) == ending(whole)


def copied(whole, tmp_path, name, step):
    """The run as it stood at a checkpoint."""
    out = tmp_path / name
    shutil.copytree(whole, out)
    for path in checkpoints.found(out / "checkpoints"):
        if int(path.stem.split("-")[1]) > step:
            path.unlink()
    return out


def test_a_clock_that_runs_backwards_changes_nothing(whole, pictures, tmp_path):
    """Checkpoints come by the time that has passed (here one each step) and are taken by step, whatever their dates."""
    out = tmp_path / "run"
    assert child(words(pictures, out, checkpoint_every=1e-9), 21, backwards=True).returncode == -signal.SIGKILL
    for age, path in enumerate(checkpoints.found(out / "checkpoints")):
        os.utime(path, (0, 1e6 - age))
    done = child({"resume": str(out)}, backwards=True)
    assert done.returncode == 0 and "at step 20" in done.stderr, done.stderr
    assert ending(out) == ending(whole)


def test_an_altered_checkpoint_with_a_repaired_hash_ends_elsewhere(whole, tmp_path):
    """So the comparison above has teeth: it sees the optimizer. One that says another step is refused."""
    out = copied(whole, tmp_path, "altered", 48)

    def change(tensors, state):
        next(t for n, t in tensors.items() if n.endswith("exp_avg")).mul_(1.5)

    alter(checkpoints.found(out / "checkpoints")[-1], change, repair=True)
    assert child({"resume": str(out)}).returncode == 0
    assert ending(out)[0] != ending(whole)[0]


def test_an_altered_checkpoint_with_its_old_hash_is_refused_and_the_one_before_taken(whole, pictures, tmp_path):
    out = tmp_path / "refused"
    assert child(words(pictures, out), 40).returncode == -signal.SIGKILL
    newest = checkpoints.found(out / "checkpoints")[-1]
    alter(newest, lambda tensors, state: next(iter(tensors.values())).add_(1), repair=False)
    done = child({"resume": str(out)})
    assert f"{newest.name} was refused" in done.stderr and "at step 30" in done.stderr
    assert ending(out) == ending(whole)


@pytest.mark.parametrize("number,code", [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_polite_signal_saves_and_says_how_to_go_on(tmp_path, number, code):
    out = tmp_path / "run"
    command = [
        sys.executable,
        "-m",
        "kontrast",
        "train",
        "digits",
        "--epochs",
        "400",
        "--out",
        str(out),
        "--threads",
        "1",
    ]
    running = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    while not (out / "log.jsonl").exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    running.send_signal(number)
    _, said = running.communicate(timeout=60)
    assert running.returncode == code, said
    assert f"kontrast train --resume {out}" in said and "Traceback" not in said
    assert checkpoints.newest(out / "checkpoints")[1]["step"] > 0


def test_two_runs_never_share_a_folder(whole, tmp_path):
    out = copied(whole, tmp_path, "shared", 48)
    import fcntl

    with open(out / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = child({"resume": str(out)})
    assert done.returncode != 0 and "in use by another run" in done.stderr


def test_changed_data_cannot_go_on_as_the_same_run(tmp_path):
    folder, out = drawn(tmp_path / "pictures", 40), tmp_path / "run"
    assert child(words(folder, out, batch_size=8), 9).returncode == -signal.SIGKILL
    (folder / "07.png").unlink()
    done = child({"resume": str(out)})
    assert done.returncode != 0 and "is not what this run began with" in done.stderr
