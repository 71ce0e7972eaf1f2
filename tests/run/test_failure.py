"""A batch that broke a run is kept, whatever it holds, and a batch that cannot be kept costs a sentence."""

import torch
from safetensors.torch import load_file

from kontrast.errors import Failed
from kontrast.methods.method import Batch
from kontrast.run.failure import explained, save_batch
from kontrast.verify import tiny_methods


def test_pictures_and_words_are_kept_by_view(tmp_path):
    pixels, words = torch.rand(3, 1, 4, 4), {"input_ids": torch.arange(6).reshape(3, 2)}
    save_batch(tmp_path, Batch((pixels.transpose(2, 3), words), torch.arange(3), 0, 1, 0))
    found = load_file(tmp_path / "bad-batch.safetensors")
    assert torch.equal(found["view0.pixels"], pixels.transpose(2, 3)) and torch.equal(found["ids"], torch.arange(3))
    assert torch.equal(found["view1.input_ids"], words["input_ids"])


def test_the_sentence_names_the_module_the_batch_and_the_way_back(tmp_path):
    method, batch = tiny_methods.method("simclr"), tiny_methods.batch("simclr", 0)
    next(method.encoder.parameters()).data.fill_(float("nan"))
    told = str(explained(Failed("The loss is nan."), method, batch, "fp32", torch.device("cpu"), tmp_path))
    assert told.startswith("The loss is nan. The weights encoder.") and f"--resume {tmp_path}" in told
    assert (tmp_path / "bad-batch.safetensors").is_file()
    nowhere = explained(Failed("Bad."), method, batch, "fp32", torch.device("cpu"), tmp_path / "gone")
    assert "Its batch could not be written" in str(nowhere)
    assert "--resume" not in str(explained(Failed("Bad."), method, batch, "fp32", torch.device("cpu"), None))
