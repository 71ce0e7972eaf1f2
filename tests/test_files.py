"""What is written: whole, under the umask's mode, never through a link; and why it cannot be read, in words."""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
import torch

from kontrast import files
from kontrast.data.pixels import cache
from kontrast.errors import Unfit
from kontrast.training import checkpoints
from kontrast.training.run_folder import Folder

TENSORS = {"w": torch.arange(6.0)}


@contextlib.contextmanager
def umask(mask):
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


@contextlib.contextmanager
def stranger():
    """Inside, root is somebody else, who may not read everything."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


@pytest.mark.parametrize("mask,mode", [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_the_mode_is_what_the_umask_leaves(tmp_path, mask, mode):
    with umask(mask):
        files.write(tmp_path / "a.json", "{}")
        files.write_tensors(tmp_path / "b.safetensors", TENSORS, {})
        checkpoints.save(tmp_path, TENSORS, {"step": 1})
        with files.whole(tmp_path / "c.npy") as part:
            part.write_bytes(b"new")
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {mode}
    assert len(list(tmp_path.iterdir())) == 4


def test_a_link_in_the_place_is_replaced_and_its_target_stays(tmp_path):
    mine = tmp_path / "mine.txt"
    mine.write_text("precious")
    for place in ("out.txt", ".out.part.txt"):
        (tmp_path / place).symlink_to(mine)
    files.write(tmp_path / "out.txt", "ours")
    assert mine.read_text() == "precious" and (tmp_path / "out.txt").read_text() == "ours"
    assert not (tmp_path / "out.txt").is_symlink()


def test_a_failure_leaves_the_old_file_and_no_part(tmp_path):
    files.write(tmp_path / "a.txt", "old")
    with pytest.raises(KeyboardInterrupt), files.whole(tmp_path / "a.txt") as part:
        part.write_text("half")
        raise KeyboardInterrupt
    assert (tmp_path / "a.txt").read_text() == "old" and len(list(tmp_path.iterdir())) == 1


def test_who_may_not_read_is_told_so():
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        path = checkpoints.save(folder, TENSORS, {"step": 1})
        path.chmod(0)
        with stranger():
            with pytest.raises(PermissionError, match="Permission denied"):
                files.read_tensors(path)
            with pytest.raises(ValueError, match="Permission denied"):
                checkpoints.load(path)


def test_a_lock_follows_no_link_and_empties_nothing(tmp_path):
    mine, run = tmp_path / "mine.txt", tmp_path / "run"
    mine.write_text("precious")
    run.mkdir()
    (run / "config.yaml").write_text("data: digits\n")
    (run / ".lock").symlink_to(mine)
    with pytest.raises(Unfit, match="is a link"):
        Folder.open(run)
    (run / ".lock").unlink()
    (run / ".lock").write_text("whatever")
    with Folder.open(run), pytest.raises(Unfit, match="in use"):
        Folder.open(run)
    assert mine.read_text() == "precious" and (run / ".lock").read_text() == "whatever"


def test_the_log_follows_no_link(tmp_path):
    mine = tmp_path / "mine.txt"
    mine.write_text("precious")
    with Folder.create(tmp_path / "run") as folder:
        (tmp_path / "run" / "log.jsonl").symlink_to(mine)
        folder.log({"step": 1})
        assert folder.complaints == 1
    assert mine.read_text() == "precious"


HOLDS = """
import multiprocessing, sys, time
from pathlib import Path
from kontrast.training.run_folder import Folder
folder = Folder.create(Path(sys.argv[1]))
multiprocessing.get_context("fork").Process(target=time.sleep, args=(60,)).start()
print("ready", flush=True)
time.sleep(60)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="forks of a trainer are made on Linux alone")
def test_a_fork_that_outlives_its_trainer_holds_no_lock(tmp_path):
    run = tmp_path / "run"
    trainer = subprocess.Popen([sys.executable, "-c", HOLDS, run], stdout=subprocess.PIPE, process_group=0)
    try:
        assert trainer.stdout.readline() == b"ready\n"
        (run / "config.yaml").write_text("data: digits\n")
        with pytest.raises(Unfit, match="in use"):
            Folder.open(run)
        trainer.kill()
        trainer.wait()
        began = time.monotonic()
        with Folder.open(run):
            assert time.monotonic() - began < 1
    finally:
        os.killpg(trainer.pid, signal.SIGKILL)
        trainer.stdout.close()


@pytest.mark.parametrize("harm", [b"", b"PK\x03\x04", b"\x93NUMPY\x01\x00v\x00{'descr'", b"nonsense"])
def test_a_cache_that_is_damaged_costs_a_look_and_no_more(tmp_path, monkeypatch, harm):
    monkeypatch.setenv("KONTRAST_CACHE", str(tmp_path / "cache"))
    (tmp_path / "a.png").write_bytes(b"picture")
    fact = cache.Fact((3, 4, 5), 8, 0, b"0123456789abcdef")
    cache.remember(tmp_path, ["a.png"], 512, {0: fact})
    assert cache.remembered(tmp_path, ["a.png"], 512) == {0: fact}
    (kept,) = (tmp_path / "cache" / "folders").iterdir()
    whole = kept.read_bytes()
    for content in (harm, whole[: len(whole) // 2], whole[:-30], b"\0" + whole[1:]):
        kept.write_bytes(content)
        assert cache.remembered(tmp_path, ["a.png"], 512) == {}
