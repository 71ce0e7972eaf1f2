"""`make proof`: 25 kills of every method, at random steps and inside saves; each run must end as if nothing had been.

What was shown is appended to build/kills.jsonl, one line a kill. An interrupted proof goes on behind the last line;
lines of another state of the source count for nothing.
"""

import contextlib
import hashlib
import json
import os
import signal
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kontrast import finish, finish_pairs, finish_texts, keyed, run
from kontrast.training import checkpoints
from kontrast.verify import cases, worlds

KILLS = 25
REPOSITORY = Path(__file__).parent.parent
RESULTS = REPOSITORY / "build" / "kills.jsonl"
STEPS = 30  # a checkpoint every 6
WORDS = ["a red fox runs", "two old dogs sleep", "the war was lost", "she wrote a letter", "a small boat on the sea"]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """96 small pictures, the same with captions, and 96 sentences."""
    pytest.importorskip("tokenizers", reason="tokenizers is not installed")
    folder = tmp_path_factory.mktemp("data")
    (folder / "pictures").mkdir()
    pixels = keyed.below(256, "kills", np.arange(96 * 12 * 12 * 3)).reshape(96, 12, 12, 3).astype(np.uint8)
    sentences = [f"{WORDS[i % 5]} {WORDS[i // 5 % 5]} {i}" for i in range(96)]
    for i, picture in enumerate(pixels):
        Image.fromarray(picture).save(folder / "pictures" / f"{i:02d}.png")
    lines = [f"pictures/{i:02d}.png,{sentence}" for i, sentence in enumerate(sentences)]
    (folder / "pairs.csv").write_text("\n".join(["image,text", *lines]))
    (folder / "sentences.txt").write_text("\n".join(sentences))
    return {"images": folder / "pictures", "pairs": folder / "pairs.csv", "texts": folder / "sentences.txt"}


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
    process = worlds.warm().Process(target=_train, args=(words, step, save))
    process.start()
    process.join(240)
    return process.exitcode


def _train(words, step, save):
    finish.leave = finish_pairs.leave = finish_texts.leave = lambda *_, **__: None  # here only the bits count
    finish_pairs.report = finish_texts.report = lambda *_, **__: None
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
        run.train(show=show, **words)


def ending(out):
    tensors, state = checkpoints.load(checkpoints.found(out / "checkpoints")[-1])
    return {name: tensor.numpy().tobytes() for name, tensor in tensors.items()}, state["loop"]


@pytest.mark.proof
@pytest.mark.parametrize("method", cases.NAMES)
def test_25_kills_change_nothing(method, data, tmp_path):
    kind = run_kind(method)
    words = {"method": method, "epochs": 5, "batch_size": 16, "validate": "none", "threads": 1, "data": str(data[kind])}
    done = shown()
    if all((method, trial) in done for trial in range(KILLS)):
        return
    assert child({**words, "out": str(tmp_path / "whole")}) == 0
    whole = ending(tmp_path / "whole")
    assert whole[1]["step"] == STEPS
    RESULTS.parent.mkdir(exist_ok=True)
    for trial in range(KILLS):
        if (method, trial) in done:
            continue
        out, inside = tmp_path / str(trial), trial % 3 == 2
        step = int(1 + keyed.below(STEPS - 1, "kill", method, trial))
        save = int(5 + keyed.below(14, "save", method, trial))  # four calls before the first step, three for a save
        assert child({**words, "out": str(out)}, *((0, save) if inside else (step,))) == -signal.SIGKILL
        passed = child({"resume": str(out)}) == 0 and ending(out) == whole
        rows = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
        passed &= [row["step"] for row in rows if "loss" in row] == list(range(1, STEPS + 1))
        place = {"save": save} if inside else {"step": step}
        line = {"method": method, "trial": trial, **place, "passed": passed, "source": source_hash()}
        with open(RESULTS, "a") as file:
            file.write(json.dumps(line) + "\n")
        assert passed, line


def run_kind(method):
    from kontrast.methods import entry

    return entry(method).kind


@pytest.mark.parametrize("place", [(7, 0), (0, 13)], ids=["at a step", "in a save"])
def test_a_kill_changes_nothing_here_and_now(place, data, tmp_path):
    """Two of the 25, of the method with the most memory: twin, queue and running statistics."""
    words = {"method": "moco-v2", "epochs": 3, "batch_size": 16, "validate": "none", "threads": 1}
    words["data"] = str(data["images"])
    assert child({**words, "out": str(tmp_path / "whole")}) == 0
    assert child({**words, "out": str(tmp_path / "run")}, *place) == -signal.SIGKILL
    assert child({"resume": str(tmp_path / "run")}) == 0
    assert ending(tmp_path / "run") == ending(tmp_path / "whole")
