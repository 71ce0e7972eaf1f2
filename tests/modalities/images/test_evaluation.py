"""Which data an encoder of pictures is tested on: the test split where there is one, and the bank beside it."""

import pytest

import kontrast
from kontrast.errors import Unfit
from kontrast.evaluate import suite
from kontrast.modalities.images.evaluation import embedders, evaluated
from kontrast.modalities.modality import Request


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "run"
    words = {"method": "simclr", "epochs": 1, "batch_size": 256, "validate": "none", "threads": 1}
    return kontrast.train("digits", out=str(out), say=lambda _: None, **words)


def test_a_named_test_split_is_tested_with_the_training_split_as_bank(run):
    result, lines = evaluated(run.path, "digits", Request(protocols=("knn",)))
    about = result["about"]
    assert about["test_items"] == 360 and about["bank_items"] == 1437 and "only that is used" in lines[0]
    halves, _ = evaluated(run.path, "digits", Request(protocols=("knn",), split="train"))
    assert halves["about"]["test_items"] + halves["about"]["bank_items"] == 1437


def test_views_are_drawn_as_the_run_drew_them(run):
    result, _ = evaluated(run.path, "digits", Request(protocols=("views",)))
    assert result["about"]["views"] == run.plan.settings.views.partition(":")[0]
    assert result["learned"]["recall_at_1"] > 5 * result["about"]["chance"]["recall_at_1"]


def test_raw_pixels_stand_beside_every_encoder(run):
    found = embedders({"learned": run.model})
    assert list(found) == ["learned", "raw_input"] and found["raw_input"] is suite.raw_pixels
    with pytest.raises(Unfit, match="are for zero-shot"):
        evaluated(run.path, "digits", Request(classes="names.txt"))
