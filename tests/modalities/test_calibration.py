"""Norms that never saw data are measured on pictures; those that did are left alone."""

from __future__ import annotations

import numpy as np
import torch

from kontrast.data.open import open_source
from kontrast.encoders.images.open import image_encoder
from kontrast.encoders.norm import BatchNorm, convert
from kontrast.modalities.calibration import calibrated
from kontrast.modalities.images.model import Model
from kontrast.modalities.inference import columns_of
from kontrast.preprocessing import Preprocessing

PICTURES = open_source(np.random.default_rng(0).integers(0, 256, (300, 8, 8, 3), dtype=np.uint8))


def model(name: str = "small", seed: int = 0) -> Model:
    encoder = image_encoder(name, channels=3, image_size=8, seed=seed)
    return Model(encoder.eval(), Preprocessing(8, (0.5,) * 3, (0.25,) * 3))


def norms(made: Model) -> list[torch.nn.Module]:
    return [m for m in made.encoder.modules() if isinstance(m, BatchNorm | torch.nn.BatchNorm2d | torch.nn.BatchNorm1d)]


def test_each_layer_then_sees_mean_0_and_variance_1() -> None:
    made = model()
    assert calibrated(made, PICTURES, PICTURES.ids) == 256  # whole batches
    seen: list[tuple[float, float]] = []

    def look(norm: torch.nn.Module, inputs: tuple[torch.Tensor], _: torch.Tensor) -> None:
        values_CR = inputs[0].transpose(0, 1).flatten(1)  # rows and pixels
        mean_C, variance_C = values_CR.mean(dim=1), values_CR.var(dim=1)
        shift = (mean_C - norm.running_mean) / norm.running_var.sqrt()
        seen.append((float(shift.abs().max()), float((variance_C / norm.running_var).log().abs().max())))

    hooks = [norm.register_forward_hook(look) for norm in norms(made)]
    made.embed_source(PICTURES, PICTURES.ids[:256])
    assert len(seen) == len(hooks) > 1
    assert all(mean < 0.5 and spread < 0.7 for mean, spread in seen)  # as far as 256 of noise differ from 512
    assert all(norm.momentum == 0.1 and not norm.training for norm in norms(made))


def test_what_saw_data_and_what_is_frozen_stay_to_the_bit() -> None:
    made = model()
    calibrated(made, PICTURES, PICTURES.ids)
    before = {name: tensor.clone() for name, tensor in made.encoder.state_dict().items()}
    assert calibrated(made, PICTURES, PICTURES.ids[:300]) == 0
    assert all(torch.equal(tensor, before[name]) for name, tensor in made.encoder.state_dict().items())
    frozen = model()
    frozen.encoder.net = convert(frozen.encoder.net, norm="frozen")
    assert calibrated(frozen, PICTURES, PICTURES.ids) == 0


def test_every_column_that_needs_it_is_measured_and_it_is_said() -> None:
    learned = model(seed=3)
    calibrated(learned, PICTURES, PICTURES.ids)
    columns, told = columns_of(learned, None, 0, (PICTURES, PICTURES.ids))
    assert "256 pictures of array" in told and columns["before"] is columns["random_weights"]
    again, _ = columns_of(learned, model(seed=5), 0, (PICTURES, PICTURES.ids))
    for made in (columns["random_weights"], again["before"], again["random_weights"]):
        assert all(bool((norm.running_var != 1).any()) for norm in norms(made))
    vectors = [one["random_weights"].embed_source(PICTURES, PICTURES.ids[:5]) for one in (columns, again)]
    assert torch.equal(*vectors)
