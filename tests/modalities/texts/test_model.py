"""A sentence encoder in use: read again, and as a start."""

import numpy as np
import pytest
from tests.modalities.texts.topics import QUICK

import kontrast

pytest.importorskip("tokenizers", reason="tokenizers is not installed")


def test_the_folder_read_again_gives_the_same_vectors(run, data):
    again = kontrast.load(run.path)
    np.testing.assert_allclose(again.embed(["sun moon"]), run.model.embed(["sun moon"]), atol=1e-6)
    assert again.embed(data / "sentences.txt").shape == (240, again.width)
    assert again.similarity(again.embed(["sun"]), again.embed(["sun", "gold"]))[0, 0] == pytest.approx(1, abs=1e-5)


def test_a_run_that_goes_on_is_measured_beside_where_it_began(run, data, tmp_path):
    again = kontrast.train(data / "nli.csv", out=str(tmp_path / "on"), weights_from=run.path, **{**QUICK, "lr": 1e-9})
    found = again.summary["evaluation"]
    assert found["learned"]["recall_at_1"] == pytest.approx(found["before"]["recall_at_1"], abs=0.1)
    assert found["before"] != found["random_weights"]
