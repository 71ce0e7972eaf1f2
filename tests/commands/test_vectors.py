"""What a model is asked about: the data with the channels that it takes, a vector for each sample."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import kontrast
from kontrast.cli import main
from kontrast.commands.search import search
from kontrast.commands.vectors import opened, vectors
from kontrast.errors import Unfit
from kontrast.modalities.images.evaluation import evaluated
from kontrast.modalities.modality import Request


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


def test_links_are_followed_where_that_is_said(digits_run, tmp_path):
    source = kontrast.data.open_source("digits")
    for folder, rows in (("here", range(8)), ("elsewhere", range(8, 20))):
        (tmp_path / folder).mkdir()
        for row in rows:
            Image.fromarray(source.images([row])[0][0].numpy()).save(tmp_path / folder / f"{row}.png")
    (tmp_path / "here" / "more").symlink_to(tmp_path / "elsewhere")
    for links, count in (([], 8), (["--follow-links"], 20)):
        data = [str(digits_run), str(tmp_path / "here")]
        with pytest.raises(SystemExit) as ended:
            main(["embed", *data, "-o", str(tmp_path / "v.npy"), *links])
        assert ended.value.code == 0 and len(np.load(tmp_path / "v.npy")) == count
        assert search(*data, "0", 3, follow_links=bool(links))["searched"] == count
        with pytest.raises(SystemExit) as ended:
            main(["index", *data, "--out", str(tmp_path / f"index of {count}"), *links])
        assert ended.value.code == 0 and len(kontrast.Index.open(tmp_path / f"index of {count}")) == count
        request = Request(protocols=("views",), follow_links=bool(links))
        assert f"first among {count} (" in "\n".join(evaluated(Path(digits_run), data[1], request)[1])
