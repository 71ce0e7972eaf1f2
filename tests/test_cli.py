"""The command line as a user meets it: frozen surface, quick help, sentences and exit codes instead of tracebacks."""

import io
import json
import os
import subprocess
import sys
import time
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from kontrast.cli import main

VERBS = {
    "check",
    "compare",
    "duplicates",
    "embed",
    "evaluate",
    "explore",
    "index",
    "info",
    "map",
    "methods",
    "mine",
    "preview",
    "search",
    "train",
    "verify",
    "views3d",
    "worth",
}
TRAIN = set(
    [
        "--batch-size",
        "--channels",
        "--checkpoint-every",
        "--chunk",
        "--columns",
        "--config",
        "--crops",
        "--data",
        "--debug",
        "--decoupled",
        "--device",
        "--dry-run",
        "--encoder",
        "--epochs",
        "--follow-links",
        "--from",
        "--image-size",
        "--json",
        "--labels",
        "--lr",
        "--max-minutes",
        "--method",
        "--norm",
        "--negatives",
        "--optimizer",
        "--out",
        "--precision",
        "--pretrained",
        "--resume",
        "--seed",
        "--set",
        "--similarity",
        "--split",
        "--exclude",
        "--strict",
        "--survey",
        "--temperature",
        "--threads",
        "--validate",
        "--view-mode",
        "--views",
        "--warmup",
        "--weight-decay",
        "--widths",
        "--workers",
    ]
)


def kontrast(*words, expect=0):
    """The entry point in this process (a new one imports torch for seconds): what it printed, and how it ended."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err), pytest.raises(SystemExit) as ended:
        main([str(word) for word in words])
    code = ended.value.code or 0
    assert code == expect, f"exit {code}\n{out.getvalue()}\n{err.getvalue()}"
    assert "Traceback" not in err.getvalue()
    return SimpleNamespace(stdout=out.getvalue(), stderr=err.getvalue())


def flags(verb):
    words = kontrast(verb, "--help").stdout.split()
    return {
        word.strip(",") for word in words if word.startswith("--") and word.strip(",") not in {"--help", "--version"}
    }


def test_the_surface_is_frozen():
    shown = kontrast("--help").stdout
    assert {verb for verb in VERBS if verb in shown.split()} == VERBS
    assert flags("train") >= TRAIN, TRAIN - flags("train")


def test_help_is_quick_and_needs_no_torch():
    began = time.perf_counter()
    done = subprocess.run([sys.executable, "-m", "kontrast", "--help"], capture_output=True, text=True, check=True)
    assert "first minute" in done.stdout.lower()
    assert time.perf_counter() - began < 5  # the promise is 0.5 s; a loaded machine must not make this test lie
    code = "import sys, kontrast, kontrast.cli; sys.exit('torch' in sys.modules or 'numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.fixture
def pictures(tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    for i in range(8):
        Image.fromarray(np.full((12, 12, 3), 30 * i, dtype=np.uint8)).save(folder / f"{i}.png")
    return folder


def broken(tmp_path):
    folder = tmp_path / "broken"
    folder.mkdir()
    (folder / "a.png").write_bytes(b"\x89PNG no picture")
    return folder


def empty(tmp_path):
    (tmp_path / "empty").mkdir()
    return tmp_path / "empty"


def one_pixel(tmp_path):
    folder = tmp_path / "one"
    folder.mkdir()
    Image.new("RGB", (1, 1)).save(folder / "a.png")
    return folder


@pytest.mark.parametrize(
    "words,said",
    [
        (["--method", "simclrr"], "did you mean 'simclr'"),
        (["--epoch", "3"], "--epochs"),
        (["--temperature", "0"], "--temperature must be greater than 0"),
        (["--epochs", "-1"], "--epochs must be at least 1, got -1"),
        (["--epochs", "1", "--warmup", "5"], "--warmup 5 epochs is longer than the whole run of 1"),
        (["--encoder", "resnet19"], "resnet1"),
        (["--set", "queu=3"], "'queu' is not a field of simclr"),
        (["--views", "afine"], "afine"),
        (["--batch-size", "64"], "--batch-size 64 is more than the 8 samples"),
        (["--batch-size", "4", "--chunk", "2"], "--norm group"),
        (["--batch-size", "4", "--chunk", "2", "--norm", "per-chunk", "--method", "moco"], "cheat"),
        (["--chunk", "many"], "a number of rows or auto"),
    ],
)
def test_a_mistake_is_told_in_a_sentence(pictures, tmp_path, words, said):
    done = kontrast("train", pictures, "--out", tmp_path / "run", *words, expect=2)
    assert said in done.stderr and len(done.stderr.strip().splitlines()[-1]) < 400
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("made,said", [(empty, "no picture"), (broken, "a.png"), (one_pixel, "1 usable")])
def test_unfit_data_is_told_in_a_sentence(tmp_path, made, said):
    done = kontrast("train", made(tmp_path), "--method", "simclr", "--out", tmp_path / "run", expect=2)
    assert said in done.stderr.lower()
    assert not (tmp_path / "run").exists()


def test_no_data_and_missing_data_are_told(tmp_path):
    assert "needs data" in kontrast("train", "--method", "simclr", expect=2).stderr
    assert "does not exist" in kontrast("train", tmp_path / "nowhere", expect=2).stderr


def test_an_existing_run_is_never_written_into(pictures, tmp_path):
    out = tmp_path / "run"
    out.mkdir()
    (out / "precious.txt").write_text("mine")
    done = kontrast("train", pictures, "--out", out, expect=2)
    assert f"--resume {out}" in done.stderr and f"--out {out}-2" in done.stderr
    assert [p.name for p in out.iterdir()] == ["precious.txt"]


@pytest.mark.skipif(os.geteuid() == 0 and not Path("/proc/sys").exists(), reason="root writes everywhere")
def test_a_place_that_cannot_be_written_is_told(pictures):
    done = kontrast("train", pictures, "--out", "/proc/sys/kontrast-run", expect=2)
    assert "--out /proc/sys/kontrast-run cannot be written" in done.stderr


def test_dry_run_tells_every_departure_and_leaves_nothing(tmp_path):
    done = kontrast("train", "digits", "--method", "simclr", "--dry-run", "--out", tmp_path / "run")
    assert "views affine (published simclr-cifar)" in done.stderr
    assert not (tmp_path / "run").exists()


def test_methods_shows_card_recipe_and_sources():
    assert "simclr" in kontrast("methods").stdout
    about = kontrast("methods", "simclr").stdout
    assert "sources\n  [paper] Chen et al. 2020" in about
    for word in ("positives", "arXiv:2002.05709", "temperature", "recipe imagenet", "[paper]"):
        assert word in about
    assert "did you mean" in kontrast("methods", "simcl", expect=2).stderr


def test_a_run_from_train_to_search(tmp_path):
    out = tmp_path / "run"
    done = kontrast("train", "digits", "--method", "simclr", "--epochs", 1, "--out", out, "--json")
    told = json.loads(done.stdout)
    assert told["steps"] == 5 and {"learned", "before", "random_weights", "raw_input"} <= told["evaluation"].keys()
    assert "\r" not in done.stderr and "\x1b" not in done.stderr
    for name in ("config.yaml", "log.jsonl", "environment.json", "summary.json", "report.html", "checkpoints", "model"):
        assert (out / name).exists(), name
    for line in (out / "log.jsonl").read_text().splitlines():
        json.loads(line)
    assert "http" not in "".join(w for w in (out / "report.html").read_text().split() if w.startswith("src="))

    hits = json.loads(kontrast("search", out, "digits", "--query", 5, "-k", 3, "--json").stdout)["hits"]
    assert len(hits) == 3 and all(hit["row"] != 5 for hit in hits)
    assert hits[0]["score"] >= hits[1]["score"] >= hits[2]["score"]
    kontrast("embed", out, "digits", "-o", tmp_path / "v.npy")
    vectors = np.load(tmp_path / "v.npy")
    assert vectors.shape == (1797, 128) and vectors.dtype == np.float32
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    cosines = unit @ unit[5]
    cosines[5] = -2
    assert int(cosines.argmax()) == hits[0]["row"]
    result = json.loads(kontrast("evaluate", out, "digits", "--knn", "--json").stdout)
    assert result["learned"]["knn_top1"] == pytest.approx(told["evaluation"]["learned"]["knn_top1"], abs=1e-9)
    kontrast("preview", "digits", "--method", "simclr", "--out", tmp_path / "p.png")
    with Image.open(tmp_path / "p.png") as sheet:
        assert sheet.size[0] > 100
    again = kontrast("train", "--resume", out)
    assert "finished already" in again.stderr
    assert "lr 0.5" in kontrast("train", "--resume", out, "--lr", "0.5", expect=2).stderr
    repeat = tmp_path / "repeat"
    kontrast("train", "--config", out / "config.yaml", "--out", repeat)
    assert (repeat / "model/model.safetensors").read_bytes() == (out / "model/model.safetensors").read_bytes()
