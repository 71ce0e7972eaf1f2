"""`benchmarks/kept.py`: every row of results says where it comes from, and the programs still find it."""

import json
import re
import subprocess
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from benchmarks import kept

RESULTS = sorted(kept.RESULTS.glob("*.jsonl"))


def test_there_are_results():
    assert len(RESULTS) >= 13


@pytest.mark.parametrize("path", RESULTS, ids=lambda path: path.stem)
def test_every_row_names_processor_commit_and_date(path):
    for number, row in enumerate(kept.rows(path.stem), 1):
        where = f"{path.name}, line {number}"
        assert row["processor"].strip(), where
        assert re.fullmatch(r"[0-9a-f]{7,40}(-changed)?", row["commit"]), where
        assert date(2026, 11, 24) <= date.fromisoformat(row["date"]) <= datetime.now(UTC).date(), where


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """A repository with one program and a folder of results, both committed; `kept` believes that it lies there."""
    (tmp_path / "benchmarks" / "results").mkdir(parents=True)
    (tmp_path / "benchmarks" / "speed.py").write_text("1\n")
    (tmp_path / "benchmarks" / "results" / "speed.jsonl").write_text('{"seconds": 1}\n')
    who = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]
    for words in (["init", "-q"], ["add", "."], [*who, "commit", "-qm", "one"]):
        subprocess.run(["git", "-C", tmp_path, *words], check=True)
    monkeypatch.setattr(kept, "RESULTS", tmp_path / "benchmarks" / "results")
    return tmp_path


def head(folder: Path) -> str:
    done = subprocess.run(["git", "-C", folder, "rev-parse", "HEAD"], capture_output=True, text=True, check=True)
    return done.stdout[:7]


def test_the_commit_is_that_of_the_code_and_says_when_it_is_not(repository):
    assert kept.commit() == head(repository)
    (kept.RESULTS / "speed.jsonl").write_text('{"seconds": 1}\n{"seconds": 2}\n')
    assert kept.commit() == head(repository)  # a row more is no other code
    (repository / "benchmarks" / "speed.py").write_text("2\n")
    assert kept.commit() == head(repository) + "-changed"


def test_outside_a_repository_the_commit_is_unknown(tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    monkeypatch.setattr(kept, "RESULTS", tmp_path / "benchmarks" / "results")
    (tmp_path / "benchmarks" / "results").mkdir(parents=True)
    assert kept.commit() == "unknown"


def test_a_new_row_is_what_was_asked_and_then_where_it_comes_from(repository, capsys):
    kept.add("speed", {"who": "kontrast", "seconds": 3})
    old, new = kept.rows("speed")
    assert old == {"seconds": 1} and json.loads(capsys.readouterr().out) == new
    where = ["processor", "commit", "date", "torch", "threads", "cores"]
    assert list(new) == ["who", "seconds", *where] and new["seconds"] == 3
    assert new["processor"].strip() and new["date"] == datetime.now(UTC).date().isoformat()
