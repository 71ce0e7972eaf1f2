"""Rows a, b, label as samples: what a batch has of them, and what makes other data of them."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tests.scored_rows import ROWS, SIDE, written

from kontrast.data import scored_pairs
from kontrast.data.open import open_source
from kontrast.data.sampler import Sampler
from kontrast.modalities.images.batches import ImageBatches
from kontrast.positives.images import papers


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("scored"))


def test_rows_of_pictures_become_the_samples(data: Path) -> None:
    rows = scored_pairs.decided(scored_pairs.by_rows(open_source(data / "pictures.csv")), None)
    assert rows.kind == "scored_pairs" and rows.ids.tolist() == list(range(ROWS)) and len(rows) == 2 * ROWS
    lines = [line.split(",") for line in (data / "pictures.csv").read_text().splitlines()[1:]]
    for row in (0, 1, 77):
        a, b, label = lines[row]
        assert rows.names[row] == a and rows.names[row + ROWS] == b and rows.columns["similar"][row] == int(label)
        for place, name in ((row, a), (row + ROWS, b)):
            assert torch.equal(rows.images([place])[0][0], torch.from_numpy(np.array(Image.open(data / name))))
    once = scored_pairs.each_once(rows)
    assert len(once.ids) == len({name for a, b, _ in lines for name in (a, b)})
    assert len({once.names[i] for i in once.ids}) == len(once.ids)


def test_a_batch_has_each_row_and_its_label(data: Path) -> None:
    """View by view the two pictures of a row, whatever batch they come in; labels beside them."""
    rows = scored_pairs.decided(scored_pairs.by_rows(open_source(data / "pictures.csv")), None)
    recipe = papers.recipe("none", SIDE, 1)
    batches = ImageBatches(rows, Sampler(rows.ids, 16, 3, 10), recipe, device="cpu")
    batch = batches(4)
    assert len(batch.views) == 2 and batch.given["similar"].shape == (16, 1)
    for place, row in enumerate(batch.ids_B.tolist()):
        assert batch.given["similar"][place, 0] == row % 2
        for view, sample in zip(batch.views, (row, row + ROWS)):
            plain = (rows.images([sample])[0].float() / 255 - recipe.mean[0]) / recipe.std[0]
            torch.testing.assert_close(view[place], plain, atol=1e-5, rtol=0)
    parts = [ImageBatches(rows, Sampler(rows.ids, 16, 3, 10, rank, 2), recipe)(4) for rank in (0, 1)]
    for both, joined in ((torch.cat([p.given["similar"] for p in parts]), batch.given["similar"]),
                         (torch.cat([p.views[1] for p in parts]), batch.views[1])):  # fmt: skip
        assert torch.equal(both, joined)


def test_a_split_of_rows_is_taken(data: Path, tmp_path: Path) -> None:
    lines = (data / "pictures.csv").read_text().splitlines()
    parts = [f"{data}/{line}".replace(",", f",{data}/", 1) for line in lines[1:]]
    shutil.copytree(data, tmp_path / "copy")
    table = [f"{line},{'dev' if row % 4 == 0 else 'train'}" for row, line in enumerate(lines[1:])]
    (tmp_path / "copy" / "split.csv").write_text("\n".join([f"{lines[0]},split", *table]))
    assert parts
    source = open_source(tmp_path / "copy" / "split.csv", split="dev")
    assert len(source.scored[0]) == ROWS // 4 and any(
        "splits: dev 50, train 150; dev chosen" in s for s in source.messages
    )


def test_a_changed_label_is_other_data(data: Path, tmp_path: Path) -> None:
    shutil.copytree(data, tmp_path / "copy")
    path = tmp_path / "copy" / "pictures.csv"
    before = open_source(path).fingerprint
    path.write_text(path.read_text()[:-1] + "0")
    assert open_source(path).fingerprint != before
