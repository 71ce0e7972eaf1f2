"""The report: one offline file that says the truth in words, whatever is missing."""

from __future__ import annotations

import builtins
import math
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from kontrast.report import curves, page
from kontrast.report.image_neighbours import Found, Question

LOG = [
    {
        "step": step, "epoch": step // 10, "loss": 6.2 - 0.03 * step, "guessing": 6.24, "retrieval_at_1": step / 100,
        "retrieval_chance": 1 / 256, "spread": 0.12, "healthy_spread": 0.125, "effective_rank": 40.0,
        "encoder_spread": 0.04, "encoder_effective_rank": 30.0,
    }
    for step in range(1, 90)
]  # fmt: skip


EVALUATION: dict[str, Any] = {
    "learned": {"knn_top1": 0.95, "uniformity": -2.5},
    "random_weights": {"knn_top1": 0.5, "uniformity": -0.1},
    "raw_input": {"knn_top1": 0.8, "uniformity": -1.1},
    "about": {
        "data": "<i>data</i>", "items": 360, "bank": "train", "bank_items": 1437, "classes": 10, "k": 200,
        "temperature": 0.1, "few_label_draws": 100, "chance": {"knn_top1": 0.12}, "notes": [],
        "range": {"learned": {"knn_top1": [0.92, 0.97]}},
    },
}  # fmt: skip


SUMMARY = {"verdict": "healthy: spread out", "method": "simclr", "steps": 89, "seconds": 17.2, "evaluation": EVALUATION}


def question(label: str = "cat") -> Question:
    def found(label: str, value: int) -> Found:
        return Found(torch.full((3, 12, 16), value, dtype=torch.uint8), label, 0.9)

    return Question(
        found(label, 1), {"learned": [found(label, 2), found("dog", 3)], "raw_input": [found("dog", 4)] * 2}
    )


def written(tmp_path: Path, **parts: Any) -> str:
    given: dict[str, Any] = {"log": LOG, "summary": SUMMARY, "config": {"data": "photos", "epochs": 3}} | parts
    log, summary, config = given.pop("log"), given.pop("summary"), given.pop("config")
    page.write(tmp_path / "report.html", log, summary, config, **given)
    return (tmp_path / "report.html").read_text("utf-8")


class Links(HTMLParser):
    """Everything that a browser would go and fetch, and the text that it would show."""

    def __init__(self) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.text = ""
        self._silent = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._silent = tag in ("script", "style")
        self.fetched += [value or "" for name, value in attrs if name in ("src", "href", "data", "action", "srcset")]

    def handle_endtag(self, tag: str) -> None:
        self._silent = False

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self.text += data


def read(html: str) -> Links:
    links = Links()
    links.feed(html)
    return links


def test_the_page_asks_for_nothing(tmp_path: Path) -> None:
    html = written(tmp_path, pairs=Image.new("RGB", (40, 20)), neighbours=[question()], commands=["kontrast search"])
    links = read(html)
    assert links.fetched and all(uri.startswith("data:image/") for uri in links.fetched)
    assert "default-src 'none'" in html
    style = html[html.index("<style>") : html.index("</style>")]
    assert "url(" not in style and "@import" not in style


def test_it_says_what_was_learned(tmp_path: Path) -> None:
    text = read(written(tmp_path, neighbours=[question()], commands=["kontrast search runs/x photos"])).text
    headline = text.index("It learned something: the nearest neighbours name the right class of 95.0 %")
    assert headline < text.index("Healthy: spread out") < text.index("How the training went")
    assert "92.0 to 97.0" in text and "-2.50" in text
    assert "pure guessing gives 6.24" in text and "88% at" not in text and "89% at the end" in text
    assert "1 of 2 same class" in text and "0 of 2 same class" in text
    assert "kontrast search runs/x photos" in text and "photos" in text


def test_a_collapsed_run_says_so_first_and_in_red(tmp_path: Path) -> None:
    html = written(tmp_path, summary=SUMMARY | {"verdict": "collapsed: all outputs point the same way"})
    text = read(html).text
    assert text.index("Collapsed: all outputs") < text.index("It learned something")
    assert 'class="verdict bad"' in html
    assert 'class="verdict good"' in written(tmp_path)


def test_what_came_from_data_cannot_become_markup(tmp_path: Path) -> None:
    evil = '<script>alert("x")</script>'
    html = written(
        tmp_path, neighbours=[question(evil)], commands=[evil], config={"data": evil}, pairs_said=evil,
        pairs=Image.new("L", (3, 3)), summary=SUMMARY | {"verdict": evil},
    )  # fmt: skip
    assert evil not in html and "<i>data</i>" not in html
    assert "&lt;script&gt;" in html


def test_what_is_missing_is_left_out(tmp_path: Path) -> None:
    html = written(tmp_path, log=[], summary={}, config={})
    text = read(html).text
    assert "No verdict was recorded." in text
    for title in ("What it learned", "See for yourself", "How the training went", "What counted as the same"):
        assert title not in text
    unlabelled = read(written(tmp_path, neighbours=[question("")])).text
    assert "same class" not in unlabelled and "See for yourself" in unlabelled


def test_a_log_with_holes_and_infinities_is_drawn(tmp_path: Path) -> None:
    html = written(tmp_path, log=[*LOG, {"step": 90, "loss": math.inf}, {"step": 91, "loss": math.nan}, {"step": 92}])
    assert "Loss" in read(html).text
    assert curves._points([{"step": 1, "x": 2.0}, {"step": 2, "x": math.nan}, {"step": 3}], "x") == ([1], [2.0])


def test_without_bokeh_the_rest_is_written_and_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def refuse(name: str, *rest: Any, **more: Any) -> Any:
        if name.startswith("bokeh"):
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", refuse)
    said: list[str] = []
    text = read(written(tmp_path, say=said.append)).text
    assert len(said) == 1 and 'pip install "bokeh' in said[0]
    assert said[0] in text and "It learned something" in text
