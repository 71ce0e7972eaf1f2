"""`kontrast check` as it is typed: what it prints and leaves, and that `train` takes what it leaves."""

from __future__ import annotations

import io
import json
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.check.planted import planted

from kontrast import train
from kontrast.cli import main
from kontrast.data.open import open_source


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KONTRAST_CACHE", str(tmp_path / "cache"))


def check(*words: object, expect: int = 0) -> str:
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err), pytest.raises(SystemExit) as ended:
        main(["check", *map(str, words)])
    assert (ended.value.code or 0) == expect, out.getvalue() + err.getvalue()
    return out.getvalue()


def test_what_it_finds_feeds_train(tmp_path: Path) -> None:
    made = planted(tmp_path / "data", count=60)
    groups, broken, sheet = tmp_path / "groups.csv", tmp_path / "broken.txt", tmp_path / "sheet.png"
    told = json.loads(check(made.folder, "--labels", "folder", "--seconds", 0, "--json", "--groups", groups,
                            "--broken", broken, "--sheet", sheet, expect=2))  # fmt: skip
    assert told["fit"] is False and {one["name"] for one in told["broken"]} == made.broken
    assert told["labels"].keys() == {"a", "b"} and told["false_negatives"]["64"]["pairs"] > 0
    assert told["advice"]["method"]["value"] in ("simclr", "byol")
    assert all(advice["reason"] for advice in told["advice"].values())
    assert {"batch_size", "epochs", "queue", "prototypes", "crops"} <= told["advice"].keys()
    assert set(broken.read_text().splitlines()) == made.broken
    with Image.open(sheet) as page:
        assert page.width > 200
    source = open_source(groups, same="group")
    assert len(source.ids) == told["usable"]
    by_name = dict(zip(source.names, source.groups.tolist()))
    for pair in made.exact:
        one, other = (by_name[f"data/{name}"] for name in pair)
        assert one == other
    words = {"method": "simclr", "epochs": 1, "batch_size": 8, "threads": 1, "encoder": "small", "device": "cpu"}
    run = train(made.folder, exclude=str(broken), out=str(tmp_path / "run"), say=[].append, **words)
    assert {one["name"] for one in run.summary["skipped"]} == made.broken
    assert {one["reason"] for one in run.summary["skipped"]} == {"left out by --exclude"}
    check(made.folder, "--seconds", 0, "--groups", made.folder / "a" / "0000.png", expect=2)  # nothing is overwritten


def test_a_trial_tells_the_time_and_the_words_are_lines(tmp_path: Path) -> None:
    told = check("digits", "--seconds", 1, "--epochs", 2)
    heads = {line.split()[0] for line in told.splitlines() if line[:1] != " "}
    assert {"data", "usable", "pictures", "repeats", "expect", "advice", "time", "fit"} <= heads
    assert "of memory" in told and "steps of" in told


def test_sentences_and_what_cannot_be_trained(tmp_path: Path) -> None:
    file = tmp_path / "lines.txt"
    file.write_text("\n".join(f"this is sentence number {i} of {i * 7}" for i in range(50)))
    told = json.loads(check(file, "--seconds", 0, "--json"))
    assert told["texts"] == 50 and told["advice"]["method"]["value"] == "simcse"
    assert told["false_negatives"].keys() >= {"8"}
    np.save(tmp_path / "one.npy", np.zeros((1, 8, 8, 3), dtype=np.uint8))
    assert json.loads(check(tmp_path / "one.npy", "--seconds", 0, "--json", expect=2))["unfit"]
    check(tmp_path / "nowhere", expect=2)
    check(file, "--near", 2, expect=2)
