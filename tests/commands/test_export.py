"""`kontrast export`: read again, compared, and never over something that is there."""

import numpy as np
import pytest

import kontrast
from kontrast.commands.export import about, export
from kontrast.errors import Unfit


def test_what_was_written_gives_the_models_vectors(digits_run, tmp_path):
    lines = export(digits_run, "standalone", tmp_path / "deep" / "out")
    assert any("largest difference" in line for line in lines) and (tmp_path / "deep" / "out").is_dir()
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["out"], "nothing is left beside it"
    pixels = np.random.default_rng(0).integers(0, 256, (4, 8, 8), dtype=np.uint8)
    ours, theirs = (kontrast.load(path).embed(pixels) for path in (digits_run, tmp_path / "deep" / "out"))
    np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_nothing_is_overwritten_and_what_does_not_fit_leaves_nothing(digits_run, tmp_path):
    (tmp_path / "mine").mkdir()
    with pytest.raises(Unfit, match="nothing is overwritten"):
        export(digits_run, "standalone", tmp_path / "mine")
    with pytest.raises(Unfit, match="is no format; known: timm"):
        export(digits_run, "onyx", tmp_path / "x")
    with pytest.raises(Unfit, match="--to sentence-transformers cannot hold this model"):
        export(digits_run, "sentence-transformers", tmp_path / "x")
    assert [path.name for path in tmp_path.iterdir()] == ["mine"] and not list((tmp_path / "mine").iterdir())


def test_the_card_tells_the_run(digits_run, tmp_path):
    told = about(digits_run)
    assert told.method == "simclr" and told.data == "digits" and told.settings["epochs"] == 1
    assert about(tmp_path).method == "an unknown method"
