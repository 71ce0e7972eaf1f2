"""Every example runs as its header says, on small data, and the figures that it prints show learning."""

import ast
import re
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

EXAMPLES = Path(__file__).parents[2] / "examples"
WORDS = "sun moon star rain snow wind leaf root seed bird fish wolf bread salt milk stone iron gold boat road".split()  # noqa: SIM905


@pytest.fixture(scope="module")
def products(tmp_path_factory):
    """Seventy products, four photos each: one digit turned, moved, in other light, with noise."""
    folder = tmp_path_factory.mktemp("products")
    draw = np.random.default_rng(0)
    for name, digit in enumerate(load_digits().images[:70] * 15):
        (folder / f"{name:02}").mkdir()
        for photo in range(4):
            moved = Image.fromarray(digit.astype(np.uint8)).resize((16, 16), Image.Resampling.BICUBIC)
            moved = moved.rotate(draw.uniform(-25, 25), translate=tuple(draw.integers(-3, 4, 2)))
            light = np.asarray(moved) * draw.uniform(0.6, 1.4) + draw.normal(0, 8, (16, 16))
            Image.fromarray(light.clip(0, 255).astype(np.uint8)).save(folder / f"{name:02}" / f"{photo}.png")
    return folder


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """A hundred smooth coloured pictures, of which 00.png is there again as a JPEG."""
    folder = tmp_path_factory.mktemp("photos")
    for name, coarse in enumerate(np.random.default_rng(0).integers(0, 256, (100, 4, 4, 3), dtype=np.uint8)):
        photo = Image.fromarray(coarse).resize((24, 24), Image.Resampling.BICUBIC)
        photo.save(folder / f"{name:02}.png")
        if name == 0:
            photo.save(folder / "again.jpg", quality=80)
    return folder


@pytest.fixture
def example(tmp_path, monkeypatch, capsys):
    """Runs an example in an empty folder, as `python examples/NAME WORDS`; gives what it printed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KONTRAST_THREADS", "1")

    def ran(name, *words):
        monkeypatch.setattr(sys, "argv", [name, *map(str, words)])
        runpy.run_path(str(EXAMPLES / name), run_name="__main__")
        return capsys.readouterr().out

    return ran


def share(line_start, printed):
    """The percentage in the line that begins so."""
    return float(re.search(rf"^{line_start}\s+([\d.]+)%", printed, re.M)[1])


def test_look_alike_photos_draws_a_sheet_and_trains_once(example, photos):
    first = example("look_alike_photos.py", photos, "--epochs", 2, "-k", 3)
    again = example("look_alike_photos.py", photos, "--query", photos / "07.png", "-k", 3)
    assert "with random weights" in first and "with random weights" not in again
    assert re.search(r"^ 1\.0000 +7 +07\.png$", again, re.M), "a photo of the folder finds itself first"
    with Image.open("runs/look-alike/nearest.png") as sheet:
        assert sheet.width > 3 * 20


def test_near_duplicates_finds_the_photo_that_is_there_twice(example, photos):
    printed = example("near_duplicates.py", photos, "--epochs", 10)
    assert share("learned", printed) > share("random weights", printed) > 100 / 101
    assert "00.png  again.jpg" in printed.split("pairs at")[1].splitlines()[1]


def test_products_by_group_learns_for_products_never_seen(example, products):
    printed = example("products_by_group.py", products, "--epochs", 20)
    assert share("learned", printed) > share("random weights", printed) + 5 > share("chance", printed) + 5


def test_sentence_search_finds_the_topic(example, tmp_path):
    draw = np.random.default_rng(0)
    lines = {f"{i} " + " ".join(draw.choice(WORDS[5 * (i % 4) : 5 * (i % 4) + 5], 8)): i % 4 for i in range(240)}
    (tmp_path / "lines.txt").write_text("\n".join(lines))
    printed = example("sentence_search.py", "lines.txt", "--query", "bird wolf seed", "--epochs", 4)
    assert share("model", printed) > 100 / 240
    found = [line[9:] for line in printed.split("nearest to")[1].splitlines()[1:]]
    assert len(found) == 5 and all(lines[sentence] != 3 for sentence in found)
    assert example("sentence_search.py", "lines.txt", "--query", "bird", "--model", "runs/simcse").count("\n") == 8


def test_own_loop_learns(example):
    printed = example("own_loop.py", "--steps", 100)
    assert share("learned", printed) > share("raw pixels", printed) > share("chance", printed) == 10
    loss, guessing = map(float, re.findall(r"step +100 +loss ([\d.]+) +guessing ([\d.]+)", printed)[0])
    assert loss < 0.8 * guessing and guessing == pytest.approx(np.log(511), abs=1e-3)


def test_every_header_says_how_to_run_it():
    for path in EXAMPLES.glob("*.py"):
        assert f"examples/{path.name}" in ast.get_docstring(ast.parse(path.read_text())), path.name
