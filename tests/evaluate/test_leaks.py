"""Noise teaches nothing: with every way to name a bank, every protocol reads chance."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import kontrast
from kontrast.commands.evaluate import evaluate
from kontrast.data.content import untested
from kontrast.data.open import open_source
from kontrast.errors import Unfit
from kontrast.evaluate import suite
from kontrast.evaluate.splits import halves

LABELLED = ("knn_top1", "linear_top1", "kmeans_accuracy", "few_label_1", "few_label_5", "few_label_10")
COPIES = 4


def noise(seed: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8))


def folder(place: Path, seeds: range, ending: str = "png") -> Path:
    """Two classes of noise; picture and class have nothing to do with each other."""
    for seed in seeds:
        inside = place / "ab"[seed * 7919 % 13 % 2]
        inside.mkdir(parents=True, exist_ok=True)
        noise(seed).save(inside / f"{seed:03}.{ending}")
    return place


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """whole: 60 of noise, unsplit. split: train, and as test a copy of `whole`. copy: `whole` in another format.
    repeated: `whole` four times over. run: trained on `whole` without labels."""
    place = tmp_path_factory.mktemp("noise")
    folder(place / "whole", range(60))
    folder(place / "split" / "train", range(60, 140))
    folder(place / "split" / "test", range(60))
    folder(place / "copy", range(60), "bmp")
    for n in range(COPIES):
        for name in ("a", "b"):
            target = place / "repeated" / name
            target.mkdir(parents=True, exist_ok=True)
            for file in (place / "whole" / name).iterdir():
                shutil.copy(file, target / f"{n}-{file.name}")
    quick: dict[str, Any] = {"method": "simclr", "epochs": 1, "batch_size": 20, "threads": 1, "say": lambda _: None}
    kontrast.train(place / "whole", out=str(place / "run"), validate="none", **quick)
    kontrast.train(place / "split", out=str(place / "run-split"), **quick)
    return place


WAYS: dict[str, tuple[str, dict[str, Any]]] = {
    "no bank": ("whole", {}),
    "the data itself": ("whole", {"train_data": "whole"}),
    "a copy in another format": ("whole", {"train_data": "copy"}),
    "the tested pictures many times": ("whole", {"train_data": "repeated"}),
    "data with a test split": ("whole", {"train_data": "split"}),
    "its own splits": ("split", {}),
    "its own splits, named": ("split", {"split": "test"}),
    "its own splits, twice": ("split", {"split": "test", "train_data": "split"}),
    "its training split": ("split", {"split": "train"}),
    "data that repeat themselves": ("repeated", {}),
    "the run's own data as they are": ("copy", {}),
}


@pytest.mark.parametrize("way", WAYS)
def test_noise_reads_as_chance_with_every_way_to_name_a_bank(data: Path, way: str) -> None:
    tested, request = WAYS[way]
    request = {name: str(data / value) if name == "train_data" else value for name, value in request.items()}
    result, lines = evaluate(data / "run", data / tested, labels="folder", **request)
    for column in ("learned", "random_weights", "raw_input"):
        found = {metric: result[column][metric] for metric in LABELLED if metric in result[column]}
        assert {"knn_top1", "linear_top1"} <= found.keys()
        assert all(value < 0.76 for value in found.values()), (way, column, found)
    assert any("bank" in line for line in lines)


def test_a_split_is_tested_with_labels_after_a_run_that_had_none(data: Path) -> None:
    result, lines = evaluate(data / "run-split", data / "split", split="test", labels="folder")
    assert result["about"]["bank_items"] == 80 and result["about"]["test_items"] == 60
    assert "its own training split" in lines[0]


def test_the_runs_own_labelled_data_are_the_bank_of_other_data(data: Path, tmp_path: Path) -> None:
    other = folder(tmp_path / "other", range(200, 240))
    result, lines = evaluate(data / "run", other, labels="folder")
    assert result["about"]["bank_items"] == 60 and "the run's own labelled training data" in lines[0]
    assert evaluate(data / "run" / "model", other, labels="folder")[0]["about"]["bank_items"] == 20  # halves


def test_a_bank_is_cleaned_by_content_and_that_is_said(data: Path) -> None:
    tested, bank = open_source(data / "whole", labels="folder"), open_source(data / "copy", labels="folder")
    assert not len(untested(bank, tested)) and not len(untested(tested, tested))
    both = open_source(data / "split", labels="folder")
    result = suite.evaluate({"raw_input": suite.raw_pixels}, tested, bank=both, protocols=["knn"])
    assert result["about"]["bank_items"] == 80
    assert "60 items of the bank are tested too and were left out of it" in result["about"]["notes"]


def test_without_labels_nothing_is_said_about_labelled_tests(data: Path) -> None:
    result, lines = evaluate(data / "run", data / "whole")
    assert not result["about"]["notes"] or "classes" not in " ".join(result["about"]["notes"])
    assert not any("class" in line for line in lines)
    with pytest.raises(Unfit, match="fewer than two classes"):
        evaluate(data / "run", data / "whole", protocols=["knn"])


def test_copies_stay_on_one_side_of_the_halves() -> None:
    leads = np.repeat(np.arange(0, 60, 3), 3)  # three of each
    label = np.repeat(np.arange(20) % 2, 3)
    for draw in range(5):
        bank, test = halves(label, 0, draw, leads)
        assert not set(leads[bank]) & set(leads[test]) and len(bank) + len(test) == 60
    plain = halves(label, 0, 0)
    assert all(np.array_equal(one, other) for one, other in zip(plain, halves(label, 0, 0, np.arange(60))))
