"""The map as a page: driven in a browser without a network, and safe whatever the names hold."""

import io
import json
import re
import shutil
import subprocess

import numpy as np
import pytest
from PIL import Image

from kontrast import keyed
from kontrast.report.map_page import Drawing, spread, write

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
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


DRIVE = """
setTimeout(() => {
  const k = window.kontrast, told = {ready: document.body.dataset.ready, errors: window.failed};
  const text = () => document.getElementById("chosen").textContent;
  k.choose([7]); told.one = text(); told.near = document.querySelectorAll("#chosen .grid img").length;
  k.choose([3, 4, 5]); told.three = text(); told.csv = k.csv([3, 4]);
  k.source.inspected.indices = [9]; k.source.inspect.emit([null, {}]);
  told.seen = document.getElementById("seen").textContent;
  document.getElementById("find").value = "word42"; document.getElementById("find").dispatchEvent(new Event("input"));
  told.found = document.getElementById("find").title;
  told.bright = [...k.source.data.alpha].filter((a) => a > 0.5).length;
  document.getElementById("find").value = ""; document.querySelector("#legend button").click();
  told.only = [...k.source.data.alpha].filter((a) => a > 0.5).length;
  told.requests = performance.getEntriesByType("resource").map((e) => e.name).filter((n) => !n.startsWith("data:"));
  const out = document.createElement("pre");
  out.id = "told"; out.textContent = JSON.stringify(told); document.body.append(out);
}, 1500);
"""


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
def test_a_browser_without_webgl_shows_chooses_finds_and_saves(tmp_path):
    write(tmp_path / "map.html", drawing())
    page = (tmp_path / "map.html").read_text()
    caught = "<script>window.failed = []; addEventListener('error', (e) => failed.push(e.message)); "
    caught += "addEventListener('securitypolicyviolation', (e) => failed.push(e.blockedURI));</script>"
    driven = page.replace("<style>", caught + "<style>", 1).replace("</body>", f"<script>{DRIVE}</script></body>")
    (tmp_path / "driven.html").write_text(driven)
    words = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=8000", "--dump-dom"]
    words += [f"--user-data-dir={tmp_path / 'profile'}", f"file://{tmp_path / 'driven.html'}"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)
    found = re.search(r'<pre id="told">(.*?)</pre>', done.stdout, re.DOTALL)
    assert found, done.stderr[-2000:]
    told = json.loads(found.group(1).replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&"))
    assert told["ready"] == "yes" and told["errors"] == [] and told["requests"] == []
    assert 'point "7"' in told["one"] and "Nearest" in told["one"] and told["near"] == 2
    assert told["three"].startswith("3 chosen") and 'point "9"' in told["seen"]
    lines = told["csv"].strip().split("\r\n")
    assert lines[0] == "id,label,text,x,y" and lines[1].startswith("3,b,word3,") and len(lines) == 3
    assert told["found"] == "1 found" and told["bright"] == 1 and told["only"] == 45
