"""Each source of negatives is reached from `kontrast.train(negatives=...)`, in every contrastive method it fits."""

import json

import numpy as np
import pytest
from PIL import Image

import kontrast
from kontrast.data.open import open_source
from kontrast.data.sampler import Sampler
from kontrast.modalities.texts.batches import TextBatches, TextViews


def trained(data, out, **words):
    run = kontrast.train(data, out=str(out), validate="none", threads=1, say=lambda _: None, **words)
    rows = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    return run, [row for row in rows if "loss" in row]


@pytest.fixture(scope="module")
def sentences(tmp_path_factory):
    path = tmp_path_factory.mktemp("text") / "sentences.txt"
    animals, places = ("dog", "cat", "bird", "horse"), ("house", "river", "tree", "road", "field")
    lines = [f"The {a} is near {n} {p}s, says {w}" for a in animals for p in places for n, w in ((2, "Ann"), (5, "Bo"))]
    path.write_text("\n".join(lines))
    return path


def test_rules_make_a_hard_negative_of_each_sentence(sentences, tmp_path):
    words = {"method": "simcse", "encoder": "static", "epochs": 1, "batch_size": 8}
    _, plain = trained(sentences, tmp_path / "plain", **words)
    _, ruled = trained(sentences, tmp_path / "ruled", negatives="rules:number,negation", **words)
    assert plain[0]["guessing"] == pytest.approx(np.log(8))
    assert ruled[0]["guessing"] == pytest.approx(np.log(16)), "one hard negative a sentence stands beside the positives"
    source = open_source(str(sentences))
    texts = TextBatches(source, Sampler(source.ids, 8, 0, 5), lambda *_: {}, TextViews(rules=("number",))).texts(
        source.ids[:2], 0
    )
    assert "near 2" in texts[0][0] and "near 2" not in texts[2][0]


@pytest.fixture(scope="module")
def captioned(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pairs")
    rows = ["image,caption"]
    for i in range(24):
        Image.fromarray(np.full((16, 16, 3), 10 * i, np.uint8)).save(folder / f"{i}.png")
        rows.append(f"{i}.png,a grey square number {i}")
    (folder / "table.csv").write_text("\n".join(rows))
    return folder / "table.csv"


def test_clip_takes_what_is_added(captioned, tmp_path):
    words = {"method": "clip", "encoder": "small", "epochs": 2, "batch_size": 6, "image_size": 16}
    _, rows = trained(captioned, tmp_path / "run", negatives="queue:12+mixed:3+reweighted:0.5+debiased:0.01", **words)
    assert rows[0]["guessing"] > np.log(6), "the queue and the mixed points are candidates"
    assert all(np.isfinite(row["loss"]) for row in rows)
