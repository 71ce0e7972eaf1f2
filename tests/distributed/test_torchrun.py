"""torchrun as a user starts it: one process lost on the way, the run goes on by itself and ends as it should."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from kontrast import train
from kontrast.training import checkpoints
from kontrast.training.run_folder import Folder

LAUNCH = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
SAME = {"epochs": 6, "threads": 1, "validate": "none", "batch_size": 255, "precision": "fp32"}  # 128 and 127 rows
QUICK = [word for name, value in SAME.items() for word in (f"--{name.replace('_', '-')}", str(value))]


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """The same run in one process."""
    out = tmp_path_factory.mktemp("alone") / "run"
    train("digits", out=str(out), say=lambda text: None, **SAME)
    return out


def rows(out):
    found = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    return {row["step"]: row["loss"] for row in found if "loss" in row}


def children(pid):
    """The processes that a process has started."""
    return [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_a_killed_process_costs_nothing_but_time(alone, tmp_path):
    out = tmp_path / "run"
    command = [*LAUNCH, "--max-restarts", "1", "-m", "kontrast", "train", "digits", "--out", str(out), *QUICK]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    while not checkpoints.found(out / "checkpoints") and time.monotonic() < deadline:
        time.sleep(0.02)
    os.kill(children(running.pid)[-1], signal.SIGKILL)
    printed, said = running.communicate(timeout=180)
    assert running.returncode == 0, said
    step = int(re.search(r"resume .* at step (\d+)", said)[1])
    assert step > 0 and len(re.findall("^data  ", said, re.M)) == 1, "only the first process speaks"
    assert printed.count("report   ") == 1
    apart, together = rows(alone), rows(out)
    assert together.keys() == apart.keys()
    np.testing.assert_allclose([together[k] for k in apart], list(apart.values()), rtol=2e-2)
    assert abs(together[1] - apart[1]) < 1e-5
    assert checkpoints.newest(out / "checkpoints")[1]["processes"] == 2
    assert (out / "model" / "model.safetensors").is_file()


@pytest.mark.proof
def test_without_restarts_the_end_is_clean_and_another_count_goes_on(alone, tmp_path):
    out = tmp_path / "run"
    running = subprocess.Popen(
        [*LAUNCH, "-m", "kontrast", "train", "digits", "--out", str(out), *QUICK], stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 120
    while not checkpoints.found(out / "checkpoints") and time.monotonic() < deadline:
        time.sleep(0.02)
    os.kill(children(running.pid)[-1], signal.SIGKILL)
    _, said = running.communicate(timeout=60)
    assert running.returncode == 1
    spoken = [line for line in said.splitlines() if line.startswith("kontrast: ")]
    assert all("Another process of this run ended" in line for line in spoken), said
    heard = []
    run = train(resume=out, say=heard.append)
    assert any("saved by 2 processes, going on with 1 process" in line for line in heard), heard
    assert run.ending == "done" and rows(out).keys() == rows(alone).keys()


@pytest.mark.proof
def test_a_mistake_is_told_once(tmp_path):
    done = subprocess.run(
        [*LAUNCH, "-m", "kontrast", "train", "digits", "--out", str(tmp_path / "run"), "--method", "simclrr"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1 and done.stderr.count("kontrast: --method 'simclrr' is unknown") == 1


def test_a_folder_of_a_run_killed_before_it_began_is_used(tmp_path):
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / ".lock").touch()
    Folder.create(tmp_path).__exit__()
