"""Two towers that know everything, nothing, or what is only half of it: retrieval, zero-shot, and what was lost."""

import io
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from kontrast.data.open import open_source
from kontrast.errors import Unfit
from kontrast.evaluate.formatting import table
from kontrast.evaluate.two_towers import evaluate, sentence

COLOURS = ("red", "green", "blue")


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    pq = pytest.importorskip("pyarrow.parquet")
    cells = []
    for row in range(12):
        buffer = io.BytesIO()
        Image.fromarray(np.full((8, 8, 3), 20 * row, np.uint8)).save(buffer, "png")
        cells.append({"bytes": buffer.getvalue(), "path": None})
    captions = [f"number {row} is {COLOURS[row % 3]}" for row in range(12)]
    path = tmp_path_factory.mktemp("pairs") / "pairs.parquet"
    pq.write_table(pa.table({"image": cells, "caption": captions, "colour": [c.split()[-1] for c in captions]}), path)
    return open_source(path, labels="colour")


class Knows:
    """Each picture at its number and its colour; words at what they name."""

    def embed_source(self, source, ids):
        return torch.stack([self.at(f"number {i} is {COLOURS[i % 3]}") for i in ids.tolist()])

    def embed_text(self, sentences):
        return torch.stack([self.at(text) for text in sentences])

    def at(self, text):
        vector = torch.zeros(15)
        for n, colour in enumerate(COLOURS):
            vector[12 + n] = float(colour in text)
        words = text.split()
        if words[0] == "number":
            vector[int(words[1])] = 1.0
        return vector


class Blind(Knows):
    def embed_source(self, source, ids):
        return torch.ones(len(ids), 15)


def test_the_ends_of_the_scale(source):
    result = evaluate({"learned": Knows(), "random_weights": Blind()}, source, source.ids)
    knows, blind = result["learned"], result["random_weights"]
    assert knows["recall_at_1"] == 1 and knows["median_rank"] == 1 and knows["zero_shot_top1"] == 1
    assert blind["recall_at_1"] <= 1 / 12 and blind["zero_shot_top1"] <= 1 / 3
    chance = result["about"]["chance"]
    assert chance["recall_at_5"] == 5 / 12 and chance["median_rank"] == 6.5 and chance["zero_shot_top1"] == 1 / 3


def test_what_was_lost_is_said_and_what_was_kept_is_not(source):
    columns = {"learned": Blind(), "before": Knows(), "random_weights": Blind()}
    fallen = evaluate(columns, source, source.ids)
    assert "zero-shot top-1 fell from 100.0%" in sentence(fallen) and "mixed(START, END" in sentence(fallen)
    kept = evaluate({**columns, "learned": Knows()}, source, source.ids)
    assert "WARNING" not in sentence(kept)
    assert any("before" in line for line in table(kept)[:2])


def test_what_does_not_fit_is_told(source):
    bare = replace(source, labels=None, classes=())
    with pytest.raises(Unfit, match=r"'zero_shot' does not fit: .* has no labels"):
        evaluate({"learned": Knows()}, bare, bare.ids, protocols=["zero_shot"])
    with pytest.raises(Unfit, match="neither captions nor labels"):
        evaluate({"learned": Knows()}, replace(bare, columns={}), bare.ids)
