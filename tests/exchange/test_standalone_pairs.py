"""Two towers load by their own file, without kontrast."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from tests.exchange.towers import CAPTIONS, LOOK, OWN, small, with_bert

from kontrast.encoders.clip import bpe
from kontrast.exchange import open_clip as folders

pytest.importorskip("tokenizers", reason="tokenizers is not installed")


@pytest.mark.parametrize("text", ["own", "bert"])
def test_a_folder_of_our_small_net_loads_by_its_own_file_without_kontrast(tmp_path, text):
    words = bpe.learned(CAPTIONS * 3, context=16)
    model = small(words) if text == "own" else with_bert(words, tmp_path, "small")
    assert not folders.says_it(model)
    folders.write(tmp_path, model, words, LOOK)
    again = folders.read(tmp_path).towers
    assert torch.equal(again.encode_text(words(CAPTIONS)), model.encode_text(words(CAPTIONS)))
    picture = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    np.save(tmp_path / "picture.npy", picture)
    subprocess.run([sys.executable, "-c", OWN, json.dumps(CAPTIONS)], cwd=tmp_path, check=True, capture_output=True)
    found = np.load(tmp_path / "found.npz")
    pixels = LOOK([torch.from_numpy(picture).permute(2, 0, 1)])
    with torch.no_grad():
        np.testing.assert_allclose(found["image"], model(pixels).numpy(), rtol=0, atol=1e-5)
        np.testing.assert_allclose(found["text"], model.encode_text(words(CAPTIONS)).numpy(), rtol=0, atol=1e-5)
