"""The map as a page: driven in a browser without a network, and safe whatever the names hold."""

import io
import json
import re

import numpy as np
import pytest
from PIL import Image
from tests.browser import CHROMIUM, Browser

from kontrast import keyed
from kontrast.report.map_page import Drawing, spread, write

NASTY = '</script><img src=x onerror="document.title=1">'


def drawing(rows=90, drawn=90, pictures=True, **more):
    def thumbnail(n):
        file = io.BytesIO()
        Image.new("RGB", (8, 8), (n % 250, 90, 160)).save(file, "PNG")
        return file.getvalue()

    places = keyed.normal("map", np.arange(rows * 2)).reshape(rows, 2).astype(np.float32)
    points = np.arange(drawn)
    return Drawing(
        "A map",
        "90 rows & more",
        places,
        points,
        [NASTY if n == 3 else f'point "{n}", of many' for n in points],
        [thumbnail(n) for n in points] if pictures else [],
        np.stack([(points + 1) % drawn, (points + 2) % drawn], 1),
        {"id": points.tolist(), "label": ["ab"[n % 2] for n in points], "text": [f"word{n}" for n in points]},
        **more,
    )


def content(page):
    found = re.search(r'<script type="application/json" id="content">(.*?)</script>', page, re.DOTALL)
    return json.loads(found.group(1))


def test_nothing_is_asked_for_and_no_name_becomes_html(tmp_path):
    write(tmp_path / "map.html", drawing())
    page = (tmp_path / "map.html").read_text()
    assert NASTY not in page and content(page)["names"][3] == NASTY
    assert "default-src 'none'" in page and "unsafe-eval" not in page
    assert not re.search(r"<(script|link|img|iframe)[^>]+(src|href)=\"?https?:", page)


def test_a_sample_is_drawn_before_the_density_of_all(tmp_path):
    write(tmp_path / "map.html", drawing(rows=5000, drawn=90))
    page = (tmp_path / "map.html").read_text()
    assert content(page)["rows"] == 5000 and len(content(page)["names"]) == 90
    write(tmp_path / "all.html", drawing())
    assert page.count("data:image/png;base64") > (tmp_path / "all.html").read_text().count("data:image/png;base64")


def test_colours_are_columns_with_few_values(tmp_path):
    write(tmp_path / "map.html", drawing(colour="label"))
    coloured = content((tmp_path / "map.html").read_text())["coloured"]
    assert set(coloured) == {"label"} and coloured["label"]["values"] == ["a", "b"]
    assert coloured["label"]["codes"][:3] == [0, 1, 0]


def test_pictures_are_spread_over_the_map():
    chosen = spread(drawing())
    assert 20 < len(chosen) <= 90 and len(set(chosen)) == len(chosen)
    assert spread(drawing(pictures=False)) == []


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine")
    with Browser(tmp_path_factory.mktemp("browser")) as browser:
        yield browser


BRIGHT = "[...kontrast.source.data.alpha].filter((a) => a > 0.5).length"
CHOSEN = "document.getElementById('chosen').textContent"


def on_screen(browser, point):
    return browser.value(f"""(() => {{
        const view = Bokeh.index.roots[0], box = view.el.getBoundingClientRect(), {{x, y}} = kontrast.source.data;
        return [box.x + view.frame.x_scale.compute(x[{point}]), box.y + view.frame.y_scale.compute(y[{point}])];
    }})()""")


def test_a_browser_without_webgl_or_network_is_driven_as_by_a_hand(tmp_path, browser):
    shown = drawing()
    write(tmp_path / "map.html", shown)
    browser.open(f"file://{tmp_path / 'map.html'}")
    browser.until("document.body && document.body.dataset.ready")
    assert browser.value("document.createElement('canvas').getContext('webgl')") is None
    browser.value("document.getElementById('pictured').click()")
    apart = np.linalg.norm(shown.places[:, None] - shown.places, axis=2) + 99 * np.eye(90)
    lonely = int(apart.min(axis=1).argmax())
    browser.mouse("mouseMoved", *on_screen(browser, lonely))
    browser.until(f"document.getElementById('seen').textContent.includes('word{lonely}')")
    browser.click(*on_screen(browser, lonely))
    browser.until(f"{CHOSEN}.includes('Nearest to it')")
    assert browser.value("document.querySelectorAll('#chosen .grid img').length") == 2
    browser.press("#chosen .grid button")
    browser.until(f"{CHOSEN}.includes('word{(lonely + 1) % 90}')")
    corners = np.array([on_screen(browser, point) for point in range(90)])
    (left, top), (right, _) = corners.min(axis=0) - 6, corners.max(axis=0) + 6
    middle = float(np.median(corners[:, 1])) + 0.01
    browser.drag([(left, top), (right, top), (right, middle), (left, middle), (left, top + 3)])
    browser.until(f"{CHOSEN}.includes(' chosen')")
    browser.press("#save")
    lines = browser.downloaded("chosen.csv").decode().strip().split("\r\n")
    above = np.flatnonzero(corners[:, 1] < middle)
    assert lines[0] == "id,label,text,x,y" and [int(line.split(",")[0]) for line in lines[1:]] == above.tolist()
    browser.press("#find")
    browser.send("Input.insertText", text="word42")
    browser.until(f"{BRIGHT} === 1")
    assert browser.value("document.getElementById('find').title") == "1 found"
    browser.value("document.getElementById('find').value = ''")
    browser.press("#legend button")
    assert browser.until(f"{BRIGHT} > 1 && {BRIGHT}") == 45
    assert browser.errors == []
    assert not [one for one in browser.requests if not one.startswith(("data:", "file:", "blob:", "about:"))]
