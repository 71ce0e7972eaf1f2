"""CONTRIBUTING's table of additions: a toy of each kind, from a package of its own, is used from the command line.

What the package holds lies in `tests/toys`. The lines that make it known are here: they are what CONTRIBUTING asks for,
a registry's file each, and no other file of ours is touched.
"""

from __future__ import annotations

import ast
import importlib.util
import io
import json
import math
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path

import numpy as np
import pytest

from kontrast.cli import main

HERE = Path(__file__).parent
LINES = {
    "format": """
from toys.npz import Npz
from kontrast.exchange.formats import FORMATS
FORMATS["npz"] = Npz()
""",
    "source of negatives": """
from toys import noise
from kontrast.negatives import WORDS, Word
from kontrast.negatives.extra import SOURCES
WORDS["noise"] = Word(8)
SOURCES["noise"] = noise.source
""",
    "kind of data": """
from toys import series
from kontrast.data.open import READERS
from kontrast.modalities.registry import MODALITIES
from kontrast.recipes.kinds import KINDS
READERS[".npz"] = series.read
MODALITIES["series"] = series.Series()
KINDS["series"] = series.KIND
""",
    "protocol": """
from toys.lengths import Lengths
from kontrast.evaluate.registry import PROTOCOLS
PROTOCOLS["lengths"] = Lengths()
""",
    "method": "",  # `--method FILE.py` needs no line
}
AT_MOST = {"method": 2, "kind of data": 3, "protocol": 1, "format": 1, "source of negatives": 2}
ONE_EPOCH = ["--epochs", "1", "--batch-size", "64", "--threads", "1", "--validate", "none"]


def call(added: str, *words: str, refused: bool = False) -> str:
    """What `kontrast WORDS` prints where this toy is known: in this process, what is added being lines of Python."""
    printed, told = io.StringIO(), io.StringIO()
    with known(added), redirect_stdout(printed), redirect_stderr(told), pytest.raises(SystemExit) as ended:
        main(list(words))
    assert (ended.value.code or 0) == (2 if refused else 0), told.getvalue()
    assert "Traceback" not in told.getvalue()
    return told.getvalue() if refused else printed.getvalue()


@contextmanager
def known(added: str) -> Iterator[None]:
    """The lines that make a toy known, as its package would run them; afterwards the registries are as before."""
    registries = [vars(importlib.import_module(module))[name] for name, module in tables(added).items()]
    before = [dict(registry) for registry in registries]
    try:
        exec(LINES[added], {})
        yield
    finally:
        for registry, entries in zip(registries, before, strict=True):
            registry.clear()
            registry.update(entries)


def tables(added: str) -> dict[str, str]:
    """The registries that a toy's lines write to, and the module that each of them lies in."""
    tree = ast.parse(LINES[added])
    modules = {
        alias.asname or alias.name: node.module
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module
        for alias in node.names
    }
    targets = [node.targets[0] for node in tree.body if isinstance(node, ast.Assign)]
    names = [target.value.id for target in targets if isinstance(target, ast.Subscript)]  # type: ignore[attr-defined]
    return {name: modules[name] for name in names}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where the package lies; nothing of it is installed."""
    shutil.copytree(HERE / "toys", tmp_path / "toys", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    for name in [name for name in sys.modules if name.split(".")[0] == "toys"]:
        del sys.modules[name]


@pytest.mark.parametrize("added", AT_MOST)
def test_each_is_known_by_few_lines_and_contributing_names_their_files(added: str) -> None:
    places = set(tables(added).values())
    assert len(places) <= AT_MOST[added]
    told = (HERE.parent / "CONTRIBUTING.md").read_text()
    for place in places:
        spec = importlib.util.find_spec(place)
        assert spec is not None and spec.origin is not None
        file = Path(spec.origin).relative_to(HERE.parent / "src" / "kontrast")
        assert f"`{file}`" in told, f"CONTRIBUTING does not name {file}"


def test_a_format(folder: Path) -> None:
    call("format", "train", "digits", *ONE_EPOCH, "--out", "run")
    printed = call("format", "export", "run", "--to", "npz", "--out", "there")
    assert "read by NumPy" in printed and "largest difference 0" in printed
    weights = np.load(folder / "there" / "weights.npz")
    assert sum(array.size for array in weights.values()) > 1000
    again = call("format", "export", "run", "--to", "npz", "--out", "there", refused=True)
    assert "exists already" in again
    other = call("format", "export", "run", "--to", "open_clip", "--out", "other", refused=True)
    assert "What can: standalone, onnx, npz." in other and not (folder / "other").exists()


def test_a_source_of_negatives(folder: Path) -> None:
    start = ("train", "digits", *ONE_EPOCH, "--negatives")
    call("source of negatives", *start, "noise:37+queue:64", "--out", "noisy")
    call("source of negatives", *start, "queue:64", "--out", "quiet")
    assert "negatives: noise:37+queue:64" in (folder / "noisy" / "config.yaml").read_text()
    noisy, quiet = (json.loads((folder / run / "log.jsonl").read_text().splitlines()[0]) for run in ("noisy", "quiet"))
    assert noisy["loss"] > quiet["loss"]  # the same batch, against 37 more
    assert noisy["guessing"] - quiet["guessing"] == pytest.approx(
        math.log(127 + 64 + 37) - math.log(127 + 64), rel=1e-4
    )
    unknown = call("format", *start, "noise:37", "--out", "other", refused=True)
    assert "known are queue:4096" in unknown
    bad = call("source of negatives", *start, "noise:many", "--out", "other", refused=True)
    assert "noise needs a value, such as noise:8" in bad


def series(folder: Path) -> None:
    """120 noisy sines of their own frequencies and phases."""
    place = np.arange(120)[:, None]
    points = np.sin((1 + place % 7) * np.linspace(0, 6, 24) + place)
    np.savez(folder / "waves.npz", series=points)


def test_a_kind_of_data_with_a_method(folder: Path) -> None:
    series(folder)
    added, method = "kind of data", ("--method", "toys/method.py")
    call(added, "train", "waves.npz", *method, "--out", "run", "--seed", "1", "--checkpoint-every", "0")
    learned = json.loads((folder / "run" / "summary.json").read_text())
    assert not learned.get("not_evaluated")
    assert 0 < learned["evaluation"]["learned"]["recall_at_1"] <= 1
    assert "A series under noise is found" in learned["learned"] and (folder / "run" / "report.html").is_file()
    used_of_kind(folder)
    preview = call(added, "preview", "waves.npz", *method, "--out", "sheet.png", refused=True)
    assert "preview draws views of pictures" in preview
    for flags, told in (
        (("--same", "folder"), "--same is for pictures"),
        (("--set", "temperature=hot"), "expected a number"),
    ):
        assert told in call(added, "train", "waves.npz", *method, *flags, "--out", "no", refused=True)
    assert "needs series" in call(added, "train", "digits", *method, "--out", "no", refused=True)


def used_of_kind(folder: Path) -> None:
    """Every verb that reads a run knows the kind of its model."""
    added = "kind of data"
    measured = json.loads(call(added, "evaluate", "run", "waves.npz", "--json"))
    assert measured["learned"].keys() == {"recall_at_1"}
    call(added, "embed", "run", "waves.npz", "--out", "vectors.npy")
    assert np.load(folder / "vectors.npy").shape == (120, 8)
    found = json.loads(call(added, "search", "run", "waves.npz", "--query", "3", "-k", "2", "--json"))
    assert len(found["hits"]) == 2 and found["hits"][0]["name"].startswith("row ")
    assert "by the number of a row" in call(added, "search", "run", "waves.npz", "--query", "a", refused=True)
    assert "this model takes series" in call(added, "embed", "run", "digits", "--out", "v.npy", refused=True)
    refused = call(added, "export", "run", "--to", "timm", "--out", "there", refused=True)
    assert "it holds picture encoders alone. What can: none." in refused


def test_a_protocol(folder: Path) -> None:
    call("protocol", "train", "digits", *ONE_EPOCH, "--out", "run")
    result = json.loads(call("protocol", "evaluate", "run", "digits", "--protocol", "lengths", "--json"))
    assert result["learned"]["mean_length"] > 0


def test_a_method(folder: Path) -> None:
    text = (folder / "toys" / "method.py").read_text().replace('kind = "series"', 'kind = "images"')
    (folder / "own.py").write_text(text)
    call("method", "train", "digits", "--method", "own.py", *ONE_EPOCH, "--out", "run")
    assert json.loads((folder / "run" / "summary.json").read_text())["steps"] > 0
