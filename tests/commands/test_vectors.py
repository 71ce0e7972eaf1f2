"""What a model is asked about: the data with the channels that it takes, a vector for each sample."""

import numpy as np
import pytest

import kontrast
from kontrast.commands.vectors import opened, vectors
from kontrast.errors import Unfit


def test_every_usable_sample_has_a_vector(digits_run):
    model = kontrast.load(digits_run)
    source = opened(model, "digits", None)
    assert len(source.ids) == 1797, "both parts"
    found = vectors(model, source)
    assert found.shape == (1797, model.width) and found.dtype == np.float32
    part = opened(model, "digits", "test")
    assert np.allclose(vectors(model, part), found[np.isin(source.ids, part.ids)], atol=1e-5)


def test_sentences_are_nothing_for_pictures(digits_run, tmp_path):
    (tmp_path / "a.txt").write_text("one\ntwo\n")
    with pytest.raises(Unfit, match="this model sees pictures"):
        opened(kontrast.load(digits_run), tmp_path / "a.txt", None)
