"""The whole way on captures that are known: what is written, what train reads of it, interruptions, sentences."""

import csv
import json
import os
import signal
from functools import partial

import numpy as np
import pytest
from PIL import Image

from benchmarks import solids
from kontrast.commands import views3d as verb
from kontrast.commands.views3d import views3d
from kontrast.data.open import open_source
from kontrast.errors import Interrupted, Unfit
from kontrast.positives.novel_views import confidence, cost
from kontrast.positives.novel_views.fit import Fit, Plan
from kontrast.report import novel_views_page


@pytest.fixture(scope="module")
def short():
    """Trials and fits of a moment."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cost, "SECONDS", 0.2)
        patch.setattr(cost, "FEWEST", 12)
        patch.setattr(novel_views_page, "FRAMES", 4)
        patch.setattr(confidence, "LEAST", 0.05)  # after so few steps nothing is sure
        patch.setattr(verb, "Plan", partial(Plan, rays=512))
        yield patch


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    folder = tmp_path_factory.mktemp("captures")
    for seed in range(2):
        solids.capture(folder / f"object {seed}", solids.drawn(seed), solids.ring(9), 16)
    return folder


@pytest.fixture(scope="module")
def made(many, short, tmp_path_factory):
    out, said = tmp_path_factory.mktemp("out") / "views", []
    summary, lines = views3d(str(many), str(out), minutes=0.01, views=4, say=said.append)
    return out, summary, lines, said


def test_cost_and_advice_are_said_before(made):
    _, _, _, said = made
    assert "--same folder" in said[0] and "minutes for 2 captures" in said[1] and "dB" in said[1]


def test_every_picture_is_in_the_table(made):
    out, summary, lines, _ = made
    with open(out / "metadata.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    views = [row for row in rows if row["kind"] == "view"]
    assert summary["photos"] == 18 and summary["views"] == len(views)
    assert summary["views"] + summary["left_out"] == 8
    for row in views:
        with Image.open(out / row["file_name"]) as picture:
            assert picture.size == (16, 16)
        assert np.load(out / row["depth"]).shape == (16, 16)
        assert 5 <= float(row["angle"]) <= 40 and 0.05 <= float(row["confidence"]) <= 1
        assert row["pair"] in {
            photo["pair"] for photo in rows if photo["kind"] == "photo" and photo["photo"] == row["photo"]
        }
    assert "--same object --method simclr" in lines[-2] and "expected" in lines[-3]
    assert json.loads((out / "summary.json").read_text()) == summary
    assert not (out / "checkpoints").exists()


@pytest.mark.parametrize(("same", "groups"), [("object", 2), ("pair", 18)])
def test_train_reads_it(made, same, groups):
    source = open_source(made[0], same=same)
    assert len(source.ids) == 18 + made[1]["views"] and len(set(source.groups.tolist())) == groups


def test_renders_are_a_capture_again(made, tmp_path):
    """They come with transforms.json, so what reads photos with poses reads them: here for pairs by angle alone."""
    out, _, _, _ = made
    place = next(path for path in sorted(out.iterdir()) if (path / "transforms.json").is_file())
    summary, _ = views3d(str(place), str(tmp_path / "pairs"), views=0)
    assert summary["views"] == 0 and summary["psnr"] is None


def test_the_page_is_whole(made):
    page = (made[0] / "report.html").read_text()
    for words in ("object 0: held-out photos", "object 1: a way around it", "image/webp", "--same object"):
        assert words in page
    with Image.open(made[0] / "object 0" / "orbit.webp") as orbit:
        assert orbit.n_frames == 4


def test_poor_renders_are_left_out_and_counted(many, short, tmp_path, monkeypatch):
    monkeypatch.setattr(confidence, "LEAST", 1.1)
    summary, lines = views3d(str(many / "object 0"), str(tmp_path / "poor"), views=2, steps=1)
    assert (summary["views"], summary["left_out"]) == (0, 2) and "2 poor ones left out" in lines[0]


def test_photos_alone_are_paired_by_angle(many, tmp_path):
    views3d(str(many / "object 0"), str(tmp_path / "pairs"), views=0, angle="10..60")
    with open(tmp_path / "pairs" / "metadata.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    given = np.array(solids.ring(9))[:, :3, 3]
    pairs = {}
    for view, row in enumerate(rows):
        pairs.setdefault(row["pair"], []).append(view)
    two = [views for views in pairs.values() if len(views) == 2]
    assert len(two) >= 3 and max(map(len, pairs.values())) == 2
    for a, b in two:
        angle = np.degrees(np.arccos(given[a] @ given[b] / np.linalg.norm(given[a]) / np.linalg.norm(given[b])))
        assert 10 <= angle <= 60


def test_an_interrupted_one_ends_with_the_same_pictures(many, short, tmp_path, monkeypatch):
    one = str(many / "object 1")
    plain, cut = tmp_path / "plain", tmp_path / "cut"
    views3d(one, str(plain), views=3, steps=6)
    advance, calls = Fit.advance, []

    def stopped(fit):
        calls.append(fit.step)
        if len(calls) == 4:
            os.kill(os.getpid(), signal.SIGTERM)
        return advance(fit)

    monkeypatch.setattr(Fit, "advance", stopped)
    with pytest.raises(Interrupted, match=r"kontrast views3d --resume .*cut") as interrupted:
        views3d(one, str(cut), views=3, steps=6)
    assert interrupted.value.exit_code == 143 and list((cut / "checkpoints").rglob("*.safetensors"))
    views3d(None, None, resume=str(cut))
    assert calls == [0, 1, 2, 3, 4, 5]
    names = sorted(
        path.relative_to(plain) for path in plain.rglob("*") if path.suffix in (".png", ".npy", ".csv", ".webp")
    )
    assert names and all((plain / name).read_bytes() == (cut / name).read_bytes() for name in names)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"angle": "40..5"}, "--angle 40..5: expected LOW..HIGH"),
        ({"background": "green"}, "--background green: expected one of scene, white, black, random"),
        ({"minutes": 0.0}, "--minutes 0.0"),
        ({"side": 4}, "--side 4"),
        ({"poses": "blender"}, "--poses blender"),
    ],
)
def test_what_cannot_be_is_said_before_anything_is_made(many, tmp_path, words, said):
    with pytest.raises(Unfit, match=said):
        views3d(str(many), str(tmp_path / "out"), **words)
    assert not (tmp_path / "out").exists()


def test_folders_that_are_there_are_left_alone(many, made):
    with pytest.raises(Unfit, match="views3d --resume"):
        views3d(str(many), str(made[0]))
    with pytest.raises(Unfit, match="give it no other word"):
        views3d(str(many), None, resume=str(made[0]))
    with pytest.raises(Unfit, match="a CAPTURE and --out FOLDER"):
        views3d(None, None)
