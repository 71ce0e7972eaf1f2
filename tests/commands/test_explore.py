"""`kontrast explore`: the live page driven in a browser, as a hand would; and what the command refuses."""

import csv
import io
import signal
from urllib.parse import urlsplit

import numpy as np
import pytest
from PIL import Image
from tests.browser import CHROMIUM, Browser, serving

import kontrast
from kontrast.commands import explore as module
from kontrast.commands.explore import explore, prepared
from kontrast.errors import Interrupted, Unfit


class Reading:
    """The model of the run, which also reads words: a digit is the mean vector of its class."""

    words = True

    def __init__(self, model, index):
        self.model, self.labels = model, np.array(index.column("label"))
        self.vectors = index.vectors.take(np.arange(len(index)))

    def __getattr__(self, name):
        return getattr(self.model, name)

    def embed_text(self, sentences):
        import torch

        return torch.stack([torch.from_numpy(self.vectors[self.labels == words].mean(axis=0)) for words in sentences])


@pytest.fixture(scope="module")
def index(digits_run, tmp_path_factory):
    return kontrast.index(digits_run, "digits", tmp_path_factory.mktemp("explore") / "i", split="test")


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine")
    with Browser(tmp_path_factory.mktemp("browser")) as browser:
        yield browser


@pytest.fixture(scope="module")
def page(index, browser):
    explored, _ = prepared(index, how="pca")
    explored.answers.model = Reading(explored.answers.model, index)
    explored.answers.reads_words = True
    with serving(explored) as served:
        browser.open(served.address)
        browser.until("document.body && document.body.dataset.ready && document.body.dataset.painted > 0")
        yield explored
        assert browser.errors == []
        hosts = {
            urlsplit(address).netloc for address in browser.requests if not address.startswith(("data:", "about:"))
        }
        assert hosts == {f"127.0.0.1:{served.port}"}  # nothing was ever asked of anybody else


TITLE = "document.querySelector('#answer h2')?.textContent"
ROWS = "[...document.querySelectorAll('#answer .grid')].map((box) => [...box.children].map((one) => one.title))"


def on_screen(browser, row):
    """Where a row that is drawn stands, in pixels of the window."""
    return browser.value(f"""(() => {{
        const view = Bokeh.index.roots.find((one) => one.model.name === "map");
        const box = view.el.getBoundingClientRect(), data = kontrast.points.data, at = [...data.row].indexOf({row});
        return [box.x + view.frame.x_scale.compute(data.x[at]), box.y + view.frame.y_scale.compute(data.y[at])];
    }})()""")


def alone(places):
    """The row farthest from its nearest on the map: a click on it is no click on another."""
    apart = np.linalg.norm(places[:, None] - places, axis=2)
    np.fill_diagonal(apart, np.inf)
    return int(apart.min(axis=1).argmax())


def test_words_are_searched_for(page, browser):
    browser.press("#words")
    browser.send("Input.insertText", text="4")
    browser.press("#ask button")
    browser.until(f"{TITLE} === '“4”'")
    found = browser.value(ROWS)[0]
    labels = page.answers.index.column("label")
    names = page.answers.index.called(range(len(labels)))
    said = {name: label for name, label in zip(names, labels)}
    assert len(found) == 20 and np.mean([said[title.rpartition(" (")[0]] == "4" for title in found]) > 0.5
    assert len(browser.value("kontrast.model('rings').data.x")) == sum(map(len, browser.value(ROWS)))


def test_a_click_shows_neighbours_and_positives_and_the_pointer_shows_the_row(page, browser):
    browser.value("document.querySelector('#pictured').click()")  # no pictures over the points
    row = alone(page.answers.points.places)
    x, y = on_screen(browser, row)
    browser.mouse("mouseMoved", x, y)
    name = page.answers.index.called([row])[0]
    seen = "document.querySelector('#seen')"
    browser.until(f"!{seen}.hidden && {seen}.querySelector('b').textContent === '{name}'")
    browser.click(x, y)
    browser.until(f"{TITLE} === 'Chosen'")
    told = page.answers.near(row)
    assert browser.value("document.querySelector('#answer b').textContent") == name
    shown = [[title.rpartition(" (")[0] for title in titles] for titles in browser.value(ROWS)]
    assert shown == [[one["name"] for one in some["rows"]] for some in told["lists"]] and len(shown) == 3
    browser.press("#answer .grid button")
    nearest = told["lists"][0]["rows"][0]["name"]
    browser.until(f"document.querySelector('#answer b').textContent === '{nearest}'")


DROP = """(async () => {
    const content = await (await fetch("picture/5")).blob(), data = new DataTransfer();
    data.items.add(new File([content], "mine.png", {type: "image/png"}));
    const how = {dataTransfer: data, bubbles: true, cancelable: true};
    for (const kind of ["dragover", "drop"]) document.body.dispatchEvent(new DragEvent(kind, how));
})()"""


def test_a_picture_is_dropped_or_chosen(page, browser, tmp_path):
    browser.value(DROP)
    browser.until(f"{TITLE} === 'Dropped'")
    same = page.answers.index.called([5])[0]
    assert browser.value(ROWS)[0][0].startswith(f"{same} (1.000")
    Image.open(io.BytesIO(page.answers.thumbnail(9))).save(tmp_path / "nine.bmp")
    browser.value("kontrast.near(0)")
    browser.until(f"{TITLE} === 'Chosen'")
    document = browser.send("DOM.getDocument")["root"]["nodeId"]
    node = browser.send("DOM.querySelector", nodeId=document, selector="#file")["nodeId"]
    browser.send("DOM.setFileInputFiles", nodeId=node, files=[str(tmp_path / "nine.bmp")])
    browser.until(f"{TITLE} === 'Dropped'")
    assert browser.value(ROWS)[0][0].startswith(f"{page.answers.index.called([9])[0]} (")


def test_what_is_no_picture_is_refused_on_the_page(page, browser):
    before, errors = browser.value(TITLE), list(browser.errors)
    browser.value("kontrast.picture(new File(['no picture'], 'x.png'))")
    browser.until("document.querySelector('#refused').textContent.length > 10")
    assert browser.value(TITLE) == before
    told = [error for error in browser.errors if error not in errors]
    assert all("400" in error and "/drop" in error for error in told)  # the browser's own line about the refusal
    browser.errors[:] = errors


def test_a_lasso_is_a_named_selection_that_is_saved(page, browser):
    places = page.answers.points.places
    corners = [on_screen(browser, row) for row in (places[:, 0].argmin(), places[:, 0].argmax())]
    (left, right), middle = (corners[0][0] - 5, corners[1][0] + 5), np.mean([corners[0][1], corners[1][1]])
    browser.drag([(left, middle - 250), (right, middle - 250), (right, middle), (left, middle), (left, middle - 240)])
    browser.until(f"{TITLE}?.endsWith('chosen')")
    rows = page.answers.selection("selection 1")
    assert browser.value(TITLE) == f"{len(rows):,} chosen" and 20 < len(rows) < len(places)
    assert places[rows, 1].min() > np.delete(places[:, 1], rows).min()
    browser.value("document.querySelector('#name').value = 'upper half'")
    browser.press("#rename")
    browser.until("document.querySelector('#selections').textContent === 'upper half'")
    browser.press("#save")
    table = list(csv.DictReader(io.StringIO(browser.downloaded("upper half.csv").decode())))
    ids = np.array(page.answers.index.column("id"))
    assert [int(line["id"]) for line in table] == ids[rows].tolist() and set(table[0]) >= {"name", "label", "x", "y"}


def test_coming_nearer_draws_the_rows_of_the_visible_part(page, browser):
    everything = int(browser.value("document.body.dataset.painted"))
    assert everything == len(page.answers.index)
    x, y = on_screen(browser, alone(page.answers.points.places))
    browser.mouse("mouseWheel", x, y, deltaX=0, deltaY=-400)
    browser.until(f"Number(document.body.dataset.painted) < {everything}")
    browser.value("Bokeh.index.roots.find((one) => one.model.name === 'map').reset()")
    browser.until(f"Number(document.body.dataset.painted) === {everything}")


def test_one_class_alone_suspects_and_the_curves(page, browser):
    browser.press("#legend button")
    seven = page.answers.classes["label"].sizes[0]
    browser.until(f"Number(document.body.dataset.painted) === {seven}")
    browser.press("#legend button")
    browser.until(f"Number(document.body.dataset.painted) === {len(page.answers.index)}")
    for name, title in (("duplicates", "Suspected duplicates"), ("outliers", "Outliers")):
        browser.press(f"#{name}")
        browser.until(f"{TITLE} === '{title}'")
    browser.press("#keep")
    browser.until("document.querySelector('#selections').textContent.includes('outliers')")
    browser.press("#run summary")
    browser.until("document.querySelector('.curve').getBoundingClientRect().height > 100")
    assert browser.value("[...document.querySelectorAll('#run h3')].map((one) => one.textContent)")[0] == "Loss"


@pytest.mark.parametrize("dark", [False, True])
def test_a_narrow_window_shows_all_without_scrolling_sideways(page, browser, dark):
    browser.open(browser.value("location.href"), width=400, height=860, dark=dark)
    browser.until("document.body && document.body.dataset.ready && document.body.dataset.painted > 0")
    assert browser.value("document.documentElement.scrollWidth") <= 400
    assert browser.value("document.querySelector('#plot').clientHeight") > 300
    paper = browser.value("getComputedStyle(document.body).backgroundColor")
    assert (sum(int(n) for n in paper[4:-1].split(",")) < 200) == dark


def test_what_cannot_be_served_is_told(index, digits_run, tmp_path):
    for how, told in (
        ({"port": 70_000}, "--port 70000"),
        ({"colour": "age"}, "--colour age"),
        ({"how": "som"}, "--how 'som'"),
    ):
        with pytest.raises(Unfit, match=told):
            prepared(index, **how)
    with pytest.raises(Unfit, match="not there"):
        prepared(index, how="pca", model=tmp_path / "gone")


def test_without_its_model_the_page_is_there_and_says_what_cannot_be_asked(index, monkeypatch):
    def gone(*_):
        raise Unfit("the model is gone")

    monkeypatch.setattr(module, "of_index", gone)
    explored, lines = prepared(index, how="pca")
    assert "the model is gone" in lines[1] and not explored.answers.reads_pictures
    assert explored.answers.near(3)["lists"] and explored.log and explored.colour == "label"


def test_an_interruption_ends_it_in_a_sentence(index):
    said = []

    def say(line):
        said.append(line)
        if line.startswith("open"):
            signal.raise_signal(signal.SIGINT)

    before = signal.signal(signal.SIGINT, lambda *_: (_ for _ in ()).throw(Interrupted("now", 130)))
    try:
        explore(index, how="pca", say=say)
    finally:
        signal.signal(signal.SIGINT, before)
    assert said[-2].startswith("open     http://127.0.0.1:") and said[-1].startswith("ended")
