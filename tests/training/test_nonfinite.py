"""A run whose numbers go bad stops with the step, the first module, the batch, and how to see it again."""

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import kontrast
from kontrast.data.open import open_source
from kontrast.data.sampler import Sampler
from kontrast.encoders.images.open import image_encoder
from kontrast.errors import Failed
from kontrast.methods.simclr import Config, SimCLR
from kontrast.modalities.images.batches import ImageBatches
from kontrast.positives.images import papers
from kontrast.training.nonfinite import first_not_finite


def test_a_run_that_diverges_says_where(tmp_path):
    words = {"method": "simclr", "epochs": 1, "lr": 1e38, "validate": "none", "threads": 1, "warmup": 0}
    with pytest.raises(Failed, match=r"step 1.* weights|step 1.*first.*bad-batch.*--resume") as caught:
        kontrast.train("digits", out=str(tmp_path / "run"), say=lambda _: None, **words)
    assert "--resume" in str(caught.value)
    ids = load_file(tmp_path / "run" / "bad-batch.safetensors")["ids"]
    assert len(ids) > 1
    with pytest.raises(Failed) as again:  # the command that the sentence names
        kontrast.train(resume=tmp_path / "run", say=lambda _: None)
    assert str(again.value) == str(caught.value)
    assert load_file(tmp_path / "run" / "bad-batch.safetensors")["ids"].equal(ids)


def made():
    source = open_source("digits")
    encoder = image_encoder("small", channels=1, image_size=8, seed=0)
    method = SimCLR(encoder, encoder.width, Config(), seed=0)
    return method, ImageBatches(source, Sampler(source.ids[:64], 16, 0, 10), papers.recipe("simclr-cifar", 8, 1))(0)


def test_the_first_module_and_the_first_gradient_are_named():
    method, batch = made()
    cpu = torch.device("cpu")
    assert first_not_finite(method, batch, "fp32", cpu) == ""
    modules = [name for name, module in method.named_modules() if not list(module.children())]
    bad = next(name for name in modules if name.startswith("encoder") and "0" not in name)
    handle = method.get_submodule(bad).register_forward_hook(lambda m, i, o: o * np.inf)
    assert first_not_finite(method, batch, "fp32", cpu) == f"{bad} is the first whose output is not finite"
    handle.remove()
    weight = next(n for n, _ in method.named_parameters() if n.startswith("projector"))
    method.get_parameter(weight).register_hook(lambda g: g * np.nan)
    assert weight in first_not_finite(method, batch, "fp32", cpu)
    method.get_parameter(weight).data.fill_(float("nan"))
    assert first_not_finite(method, batch, "fp32", cpu) == f"the weights {weight} were not finite before it"
