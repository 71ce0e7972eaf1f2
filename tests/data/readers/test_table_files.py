"""Tables that other programs wrote, and the shared sets."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.data.hostile import pixels, png

from kontrast.data.open import open_source


def test_parquet_written_by_pandas(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    pandas = pytest.importorskip("pandas")
    rows = {"image": [{"bytes": png(1), "path": "1.png"}, {"bytes": None, "path": None}], "label": [1, 0]}
    pandas.DataFrame(rows).to_parquet(tmp_path / "a.parquet")
    source = open_source(tmp_path / "a.parquet")
    assert source.kind == "images" and source.ids.tolist() == [0] and source.labels.tolist() == [1, 0]
    assert "no picture in this row" in source.skipped[0].reason
    pandas.DataFrame({"text": ["a, b", "ü"], "label": ["x", "y"]}).to_csv(tmp_path / "a.csv", index=False)
    assert open_source(tmp_path / "a.csv").texts([0, 1]) == ["a, b", "ü"]
    pandas.DataFrame({"sentence": ["a", "b"]}).to_json(tmp_path / "a.jsonl", orient="records", lines=True)
    assert open_source(tmp_path / "a.jsonl").texts([1]) == ["b"]


def test_parquet_written_by_datasets(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    from PIL import Image

    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=["cat", "dog"])})
    rows = {"image": [Image.fromarray(pixels(seed=s)) for s in (1, 2)], "label": [1, 0]}
    datasets.Dataset.from_dict(rows, features=features).to_parquet(str(tmp_path / "a.parquet"))
    source = open_source(tmp_path / "a.parquet")
    assert source.classes == ("cat", "dog") and source.labels.tolist() == [1, 0]
    assert np.array_equal(source.images([1])[0].numpy(), pixels(seed=2).transpose(2, 0, 1))


def test_the_shared_sets(data: Path) -> None:
    pytest.importorskip("pyarrow")
    captions = open_source(data / "captions/flickr8k-sample.parquet", split="dev")
    assert captions.kind == "pairs" and len(captions) == 1200 and len(captions.ids) == 200
    assert len(captions.captions(captions.ids[:1])[0]) == 5 and captions.size == (224, 224)
    assert open_source(data / "nli/snli-sample.parquet").kind == "triplets"
    assert open_source(data / "sts/stsb.parquet", split="test").ids.size == 1379
