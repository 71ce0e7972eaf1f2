"""`kontrast export`: read again, compared, and never over something that is there."""

import numpy as np
import pytest

import kontrast
from kontrast.commands.export import about, export, samples
from kontrast.errors import Failed, Unfit
from kontrast.exchange import formats


def test_what_was_written_gives_the_models_vectors(digits_run, tmp_path):
    lines = export(digits_run, "standalone", tmp_path / "deep" / "out")
    (proven,) = [line for line in lines if line.startswith("proven")]
    assert "in a process without kontrast, of 64 pictures of digits" in proven and (tmp_path / "deep" / "out").is_dir()
    assert proven.split("proven")[1].strip() in (tmp_path / "deep" / "out" / "README.md").read_text()
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


def test_a_planted_difference_is_refused_and_leaves_nothing(digits_run, tmp_path, monkeypatch):
    """The pixels are made ready otherwise than they were: every weight is right, and so is the format's own check."""
    written = formats.FORMATS["standalone"].write

    def planted(folder, *what):
        certificate = written(folder, *what)
        source = (folder / "encoder.py").read_text()
        (folder / "encoder.py").write_text(source.replace("white=65535)[0]", "white=65535)[0] + 0.01"))
        return certificate

    monkeypatch.setattr(formats.FORMATS["standalone"], "write", planted)
    with pytest.raises(Failed, match="gives other vectors"):
        export(digits_run, "standalone", tmp_path / "out")
    assert not list(tmp_path.iterdir())


def test_samples_are_made_up_where_there_are_no_data(digits_run, tmp_path):
    used = samples(tmp_path, kontrast.load(digits_run))
    assert used.called == "64 pictures that were made up" and len(used.pictures) == 64 and not used.sentences
