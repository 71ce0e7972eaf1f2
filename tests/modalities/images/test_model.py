"""A model in use: what it embeds does not depend on batches, modes or precision left behind by training."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch

from kontrast import exchange, keyed
from kontrast.data.open import open_source
from kontrast.encoders.images.encoder import ImageEncoder
from kontrast.encoders.images.open import image_encoder
from kontrast.exchange import About
from kontrast.modalities.images import model
from kontrast.modalities.images.model import Model
from kontrast.modalities.registry import load
from kontrast.preprocessing import Preprocessing


def pictures(count: int = 7, size: int = 12, channels: int = 3) -> npt.NDArray[np.uint8]:
    return (
        keyed.below(256, "pictures", np.arange(count * channels * size**2))
        .astype(np.uint8)
        .reshape(count, size, size, channels)
    )


def small(channels: int = 3) -> Model:
    encoder = image_encoder("small", image_size=8, channels=channels, seed=0)
    encoder(torch.randn(16, channels, 8, 8, generator=keyed.generator("warm")))  # running statistics move
    return Model(encoder, Preprocessing(8, (0.5,) * channels, (0.2,) * channels))


def test_embed_is_the_encoder_on_prepared_pictures() -> None:
    made, data = small(), pictures()
    ready = Preprocessing(8, (0.5,) * 3, (0.2,) * 3)(torch.from_numpy(data).permute(0, 3, 1, 2))
    with torch.no_grad():
        expected = made.encoder.eval()(ready)
    vectors = made.embed(data)
    assert (vectors.shape, vectors.dtype) == ((7, 128), np.float32)
    torch.testing.assert_close(torch.from_numpy(vectors), expected)


def test_an_encoder_without_weights_embeds() -> None:
    flat = Model(ImageEncoder(torch.nn.Flatten(), 3 * 8 * 8, {"channels": 3}), Preprocessing(8, (0.0,) * 3, (1.0,) * 3))
    data = pictures(size=8)
    assert np.array_equal(flat.embed(data), data.transpose(0, 3, 1, 2).reshape(7, -1) / np.float32(255))


def test_batches_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    made, data = small(), pictures()
    whole = made.embed(data)
    monkeypatch.setattr(model, "BATCH", 3)
    np.testing.assert_allclose(made.embed(data), whole, rtol=1e-5, atol=1e-6)


def test_training_is_left_as_it_was_and_autocast_is_not_used() -> None:
    made, data = small(), pictures()
    expected = made.embed(data)
    made.encoder.train()
    before = {name: value.clone() for name, value in made.encoder.state_dict().items()}
    with torch.autocast("cpu", dtype=torch.bfloat16):
        again = made.embed(data)
    assert np.array_equal(again, expected)
    assert made.encoder.training
    assert all(torch.equal(value, before[name]) for name, value in made.encoder.state_dict().items())


def test_ids_come_back_in_the_order_asked_for() -> None:
    made = small()
    source = open_source(pictures())
    whole = made.embed_source(source, source.ids)
    torch.testing.assert_close(made.embed_source(source, np.array([5, 0, 5])), whole[[5, 0, 5]])
    assert made.embed_source(source, source.ids[:0]).shape == (0, 128)


@pytest.mark.parametrize(("has", "takes"), [(1, 3), (3, 1)])
def test_grey_and_colour_meet(has: int, takes: int) -> None:
    source = open_source(pictures(channels=has))
    vectors = small(takes).embed_source(source, source.ids)
    assert vectors.shape == (7, 128)
    torch.testing.assert_close(vectors.numpy(), small(takes).embed(pictures(channels=has)))


def test_similarity_is_the_cosine() -> None:
    a = np.array([[3.0, 4.0], [1.0, 0.0]], dtype=np.float32)
    b = np.array([[2.0, 0.0], [0.0, -1.0], [3.0, 4.0]], dtype=np.float32)
    np.testing.assert_allclose(small().similarity(a, b), [[0.6, -0.8, 1.0], [1.0, 0.0, 0.6]], atol=1e-6)


def test_random_is_the_same_architecture_without_learning() -> None:
    made = small()
    fresh, again, other = made.random(), made.random(), made.random(seed=1)
    assert fresh.spec == made.spec
    assert np.array_equal(fresh.embed(pictures()), again.embed(pictures()))
    assert not np.array_equal(fresh.embed(pictures()), other.embed(pictures()))
    assert not np.array_equal(fresh.embed(pictures()), made.embed(pictures()))


def test_with_weights_leaves_the_model_alone() -> None:
    made = small()
    expected = made.embed(pictures())
    begun = image_encoder("small", image_size=8, seed=5)
    other = made.with_weights(begun.state_dict())
    assert np.array_equal(other.embed(pictures()), Model(begun, made.look).embed(pictures()))
    assert np.array_equal(made.embed(pictures()), expected)


def test_load_gives_the_model_back_from_a_run_or_its_model_folder(tmp_path: Path) -> None:
    made = small()
    exchange.write(tmp_path / "model", made.encoder, made.look, About("simclr", "noise"))
    for place in (tmp_path, tmp_path / "model"):
        again = load(place)
        assert again.look == made.look
        assert np.array_equal(again.embed(pictures()), made.embed(pictures()))
