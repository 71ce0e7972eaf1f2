"""One maker a shard: a claim is one maker's, outlives no dead maker, and goes with it."""

import os
import subprocess
import sys

from kontrast.vector_index.claims import SILENT, Claim, swept
from kontrast.vector_index.layout import place


def folder(tmp_path):
    (tmp_path / "claims").mkdir()
    return tmp_path


def dead():
    """The id of a process that has ended."""
    done = subprocess.Popen([sys.executable, "-c", ""])
    done.wait()
    return done.pid


def test_a_claim_is_one_makers(tmp_path):
    one, other = Claim(folder(tmp_path), 3), Claim(tmp_path, 3)
    assert one.take() and not other.take()
    one.release()
    assert other.take()


def test_a_dead_makers_claim_is_taken_over(tmp_path):
    claim = Claim(folder(tmp_path), 0)
    assert claim.take()
    host = claim.path.read_text().split()[0]
    claim.path.write_text(f"{host} {dead()}")
    assert Claim(tmp_path, 0).take()


def test_another_machines_claim_is_taken_over_when_it_is_silent(tmp_path):
    claim = Claim(folder(tmp_path), 0)
    claim.path.write_text(f"elsewhere {os.getpid()}")
    assert not claim.take()
    os.utime(claim.path, (0, os.path.getmtime(claim.path) - SILENT - 10))
    assert claim.take()


def test_what_a_killed_maker_left_is_swept(tmp_path):
    claim = Claim(folder(tmp_path), 0)
    claim.take()
    host = claim.path.read_text().split()[0]
    left = tmp_path / "claims" / f".00000.npy.{host}.{dead()}.part"
    ours = tmp_path / "claims" / f".00001.npy.{host}.{os.getpid()}.part"
    for file in (left, ours):
        file.write_bytes(b"half")
    swept(tmp_path)
    assert not left.exists() and ours.exists() and place(tmp_path, "claims", 0).exists()
