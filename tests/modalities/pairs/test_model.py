"""Two towers in use: read again, and mixed with the weights they began with."""

import numpy as np
import pytest
import torch
from PIL import Image
from tests.modalities.pairs.coloured import COLOURS, QUICK

import kontrast
from kontrast.modalities.pairs.model import mixed

pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed")


pytest.importorskip("tokenizers", reason="tokenizers is not installed")


def test_the_folder_read_again_gives_the_same_vectors(run):
    made, _ = run
    again = kontrast.load(made.path)
    words = ["a red picture", "it is blue"]
    torch.testing.assert_close(again.embed_text(words), made.model.embed_text(words))
    picture = Image.new("RGB", (30, 20), COLOURS["red"])
    np.testing.assert_allclose(again.embed([picture]), made.model.embed([picture]), atol=1e-6)
    score = again.similarity(again.embed([picture]), again.embed_text(words))
    assert score[0, 0] > score[0, 1]


def test_a_run_that_forgets_is_warned_and_offered_the_way_halfway(run, data, tmp_path):
    made, _ = run
    said = []
    how = {**QUICK, "epochs": 1, "lr": 1.0, "warmup": 0.0}
    on = kontrast.train(data, labels="colour", out=str(tmp_path / "on"), encoder=str(made.path), say=said.append, **how)
    assert "WARNING: it lost some of what it knew: zero-shot top-1 fell" in on.summary["learned"]
    assert any("halfway between the weights it began with" in line and "zero-shot" in line for line in said)
    assert 'class="verdict bad"' in (on.path / "report.html").read_text()
    start = mixed(made.path, on.path, 0.0)
    start.save(tmp_path / "mixed")
    wanted = made.model.embed_text(["a red picture"])
    torch.testing.assert_close(kontrast.load(tmp_path / "mixed").embed_text(["a red picture"]), wanted)
