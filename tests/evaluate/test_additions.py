"""A protocol from outside: one new file and its line in the registry, and command line, table and report have it."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from kontrast.cli import main
from kontrast.errors import Unfit
from kontrast.evaluate import registry
from kontrast.report import sections

TOY = '''
"""How long vectors are."""

from kontrast.evaluate.protocol import Measure, Metric, Protocol


class Lengths(Protocol):
    name = "lengths"
    metrics = (Metric("mean_length", "mean length", "How long are the vectors?", decimals=3, unit=""),)

    def chance(self, task):
        return {"mean_length": 0.0}

    def conditions(self, about):
        return f"lengths of {about['length_items']} vectors" if "length_items" in about else ""

    def facts(self, task):
        return {"length_items": len(task.source.ids)}

    def measure(self, features, task):
        lengths = features(task.source, task.source.ids).norm(dim=1)
        yield Measure("mean_length", lengths.mean().item())
'''
TRAIN = {
    "digits": "--method simclr --epochs 1 --batch-size 256 --threads 1 --validate none",
    "s.txt": "--method simcse --epochs 1 --batch-size 8 --threads 1 --validate none",
}


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package of somebody else's, registered by its line; and sentences."""
    (tmp_path / "toy").mkdir()
    (tmp_path / "toy" / "__init__.py").write_text("")
    (tmp_path / "toy" / "lengths.py").write_text(TOY)
    words = [chr(97 + n) * 3 for n in range(26)]
    (tmp_path / "s.txt").write_text("\n".join(" ".join(np.roll(words, n)[:8]) for n in range(26)))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(registry.PROTOCOLS, "lengths", import_module("toy.lengths").Lengths())


@pytest.mark.parametrize("data", TRAIN)
def test_a_toy_protocol_is_used_from_the_command_line(toy: None, data: str, capsys: pytest.CaptureFixture[str]) -> None:
    def call(*words: str) -> str:
        with pytest.raises(SystemExit) as ended:
            main(list(words))
        printed = capsys.readouterr()
        assert ended.value.code == 0, printed.err
        return printed.out

    call("train", data, *TRAIN[data].split(), "--out", "run")
    result = json.loads(call("evaluate", "run", data, "--protocol", "lengths", "--json"))
    assert result["learned"]["mean_length"] > 0 and result["about"]["chance"]["mean_length"] == 0
    assert result["learned"].keys() == {"mean_length", "uniformity", "effective_rank"}  # and the geometry, as always
    everything = "views,lengths" if data == "digits" else "retrieval,lengths"
    shown = call("evaluate", "run", data, "--protocol", everything)
    assert "mean length" in shown and "vectors" in shown and "R@1" in shown


def test_the_report_explains_what_was_added(monkeypatch: pytest.MonkeyPatch) -> None:
    space: dict[str, object] = {}
    exec(TOY, space)
    monkeypatch.setitem(registry.PROTOCOLS, "lengths", space["Lengths"]())
    about = {"data": "d", "items": 9, "range": {}, "chance": {"mean_length": 0.0}, "length_items": 9}
    page = sections.evaluation({"learned": {"mean_length": 1.25}, "about": about})
    assert "How long are the vectors?" in page and "1.250" in page and "lengths of 9 vectors" in page


def test_a_name_that_nobody_knows_is_refused_with_the_known_ones() -> None:
    with pytest.raises(Unfit, match=r"'lenghts' is not known\. Choose from knn, linear"):
        registry.protocol_named("lenghts")
    assert registry.protocol_named("few-label").name == "few_label"


def test_every_protocol_declares_what_people_read() -> None:
    for name, protocol in registry.PROTOCOLS.items():
        assert protocol.name == name and protocol.metrics
    for metric in registry.metrics().values():
        assert metric.title and len(metric.title) <= 24 and metric.question.endswith((".", "?"))
