"""A disk that is full or cannot be written: the run goes on, loses nothing it had, and says what happened."""

import contextlib
import os
import shutil
import subprocess

import pytest
import torch

from kontrast import train
from kontrast.errors import Failed, Unfit
from kontrast.training import checkpoints
from kontrast.training.run_folder import Folder


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 64 MB, where a whole run with its checkpoints of some 5 MB has room until a test takes it."""
    place = tmp_path / "disk"
    place.mkdir()
    if os.geteuid() or not shutil.which("mount"):
        pytest.skip("a small file system cannot be mounted here (that needs root)")
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", place], capture_output=True, text=True, check=False
    )
    if made.returncode:
        pytest.skip(f"a small file system cannot be mounted here: {made.stderr.strip()}")
    yield place
    subprocess.run(["umount", "-l", place], check=True)


def test_a_full_disk_keeps_the_good_checkpoint_and_no_half_one(small_disk):
    few, many = {"w": torch.zeros(1000)}, {"w": torch.zeros(20_000_000)}
    checkpoints.save(small_disk, few, {"step": 1})
    with pytest.raises(OSError):
        checkpoints.save(small_disk, many, {"step": 2})
    assert [path.name for path in small_disk.iterdir()] == ["step-000000001.safetensors"]
    assert checkpoints.newest(small_disk)[1]["step"] == 1


def full_after_the_first_epoch(disk, until):
    """Calls that leave 100 kB free from step 6 on, up to a step: room for lines of the log, for no checkpoint."""
    filler = disk / "filler"

    def show(row, steps):
        if row["step"] == 6:
            assert saved(disk / "run") == [5], "the disk is too small for what a run leaves"
            filler.write_bytes(b"\0" * (os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize - 100_000))
        if row["step"] == until:
            assert saved(disk / "run") == [5]
            filler.unlink()

    return show


def saved(run):
    """The steps of the checkpoints that can be read."""
    return [checkpoints.load(path)[1]["step"] for path in checkpoints.found(run / "checkpoints")]


WORDS = {"epochs": 3, "batch_size": 256, "validate": "none", "threads": 1}


def test_a_run_outlives_a_full_disk(small_disk):
    said = []
    show = full_after_the_first_epoch(small_disk, until=15)
    run = train("digits", out=str(small_disk / "run"), **WORDS, say=said.append, show=show)
    assert run.ending == "done" and (run.path / "model" / "model.safetensors").is_file()
    assert any("step 10 could not be written" in line and "going on" in line for line in said)
    assert saved(run.path) == [5, 15]


def test_only_a_model_that_cannot_be_written_ends_it(small_disk):
    said = []
    show = full_after_the_first_epoch(small_disk, until=0)
    with pytest.raises(Failed, match=r"model cannot be written.*--resume"):
        train("digits", out=str(small_disk / "run"), **WORDS, say=said.append, show=show)
    (small_disk / "filler").unlink()
    run = train(resume=small_disk / "run", say=said.append)
    assert (run.path / "model" / "model.safetensors").is_file() and "at step 5" in " ".join(said)


def test_a_run_outlives_a_disk_that_turns_read_only(small_disk):
    """As after an error of the disk: the run goes on, and the end, which needs the disk, says how to go on later."""

    out, said = small_disk / "run", []
    parts = (out / "checkpoints", out / "model")  # all at once cannot be: the run's lock is open for writing

    def show(row, steps):
        if row["step"] == 8:
            assert saved(out) == [5], "the disk is too small for what a run leaves"
            for part in parts:
                part.mkdir(exist_ok=True)
                subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", part], check=True)

    with pytest.raises(Failed, match=r"cannot be written.*--resume"):
        train("digits", out=str(out), **WORDS, say=said.append, show=show)
    subprocess.run(["umount", *parts], check=True)
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    assert any("step 10 could not be written (" in line and "Read-only" in line for line in said), said
    with pytest.raises(Unfit, match=r"--resume .* cannot be written: Read-only"):
        train(resume=out, say=said.append)
    with pytest.raises(Unfit, match=r"--out .* cannot be written: Read-only"):
        train("digits", out=str(small_disk / "other"), **WORDS, say=said.append)
    subprocess.run(["mount", "-o", "remount,rw", small_disk], check=True)
    run = train(resume=out, say=said.append)
    assert run.ending == "done" and "at step 5" in " ".join(said)


def test_a_disk_without_any_room_at_a_resume_is_told(small_disk):
    """And harms nothing: with room again the run goes on."""
    show = full_after_the_first_epoch(small_disk, until=0)
    with pytest.raises(Failed, match=r"--resume"):
        train("digits", out=str(small_disk / "run"), **WORDS, say=lambda text: None, show=show)
    with open(small_disk / "filler", "ab", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(b"\0" * 4096):  # to the last byte
            pass
    log = (small_disk / "run" / "log.jsonl").read_bytes()
    with pytest.raises(Failed, match=r"log.jsonl cannot be written: No space"):
        train(resume=small_disk / "run", say=lambda text: None)
    assert (small_disk / "run" / "log.jsonl").read_bytes() == log
    (small_disk / "filler").unlink()
    run = train(resume=small_disk / "run", say=lambda text: None)
    with Folder.open(run.path) as folder:
        steps = [row["step"] for row in folder.rows() if "loss" in row]
    assert run.ending == "done" and steps == list(range(1, 16))


def test_numbers_that_go_bad_on_a_full_disk_are_told_in_words(small_disk):
    """The batch has no room; the step, the module and the way to see it again are said all the same."""

    def show(row, steps):
        (small_disk / "filler").write_bytes(b"\0" * (os.statvfs(small_disk).f_bavail * os.statvfs(small_disk).f_frsize))

    with pytest.raises(Failed, match=r"step 1.* batch could not be written .*No space.*--resume"):
        train("digits", out=str(small_disk / "run"), **WORDS, lr=1e38, warmup=0, say=lambda text: None, show=show)
