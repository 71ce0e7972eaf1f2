"""The fast engine against a dense float64 oracle that applies the operations one after the other, unclamped."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from real import pictures, smooth
from torch import Tensor

from kontrast.positives.images import fused, papers, views
from kontrast.positives.images.draw import draw
from kontrast.positives.images.resample import resampled
from kontrast.positives.images.view import Drawn, Keys, Mode, View
from kontrast.preprocessing import Preprocessing
from kontrast.recipes.resolve import planned
from kontrast.recipes.rules import Facts
from kontrast.settings import Settings

Array = npt.NDArray[np.float64]


def oracle_axis(start: int, length: int, flip: bool, view: View, n: int) -> Array:
    """Pillow's filter by its definition, every output with every input."""
    step = length / view.size
    centre, i = (np.arange(view.size)[:, None] + 0.5) * step, np.arange(n) - start + 0.5
    x = np.abs(i - centre) / max(step, 1.0)
    if view.interpolation == "bilinear":
        out = np.where(x < 1, 1 - x, 0.0)
    else:
        near, far = 1.5 * x**3 - 2.5 * x**2 + 1, -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
        out = np.where(x < 1, near, np.where(x < 2, far, 0.0))
    out[:, (i < 0) | (i > length)] = 0
    out /= out.sum(1, keepdims=True)
    return out[::-1] if flip else out


def oracle_blur(sigma: float, view: View) -> Array:
    if sigma == 0:
        return np.eye(view.size)
    reach = view.kernel // 2
    taps = [math.exp(-(t**2) / (2 * sigma**2)) for t in range(-reach, reach + 1)]
    padded = np.pad(np.eye(view.size), ((reach, reach), (0, 0)), mode="reflect")
    return np.stack([np.array(taps) / sum(taps) @ padded[o : o + 2 * reach + 1] for o in range(view.size)])


def oracle(picture: Tensor, view: View, drawn: Drawn, i: int, white: float = 255) -> Array:
    """A whole view in float64: spatial, then colour step by step, one clamp, solarize."""
    x = picture.double().numpy() / white
    up = oracle_axis(int(drawn.top[i]), int(drawn.height[i]), False, view, x.shape[1])
    across = oracle_axis(int(drawn.left[i]), int(drawn.width[i]), bool(drawn.flip[i]), view, x.shape[2])
    blur = oracle_blur(float(drawn.sigma[i]), view)
    x = (blur @ up) @ x @ (blur @ across).T
    luma = np.array([0.2989, 0.587, 0.114]) if len(x) == 3 else np.full(len(x), 1 / len(x))
    if drawn.grey[i] and view.grey_first:
        x = np.stack([np.tensordot(luma, x, 1)] * 3)
    for place in drawn.order[i]:
        grey = np.tensordot(luma, x, 1)
        if place == 0:
            x = x * drawn.brightness[i]
        elif place == 1:
            x = drawn.contrast[i] * x + (1 - drawn.contrast[i]) * grey.mean()
        elif place == 2 and len(x) == 3:
            x = drawn.saturation[i] * x + (1 - drawn.saturation[i]) * grey
        elif place == 3 and len(x) == 3:
            yiq = np.array([[0.299, 0.587, 0.114], [0.5959, -0.2746, -0.3213], [0.2115, -0.5227, 0.3112]])
            y, *chroma = np.tensordot(yiq, x, 1)
            turned = (chroma[0] + 1j * chroma[1]) * np.exp(-2j * np.pi * drawn.hue[i])
            x = np.tensordot(np.linalg.inv(yiq), np.stack([y, turned.real, turned.imag]), 1)
    if drawn.grey[i] and not view.grey_first:
        x = np.stack([np.tensordot(luma, x, 1)] * 3)
    x = x.clip(0, 1)
    return np.where(x >= 0.5, 1 - x, x) if drawn.solarize[i] else x


@pytest.mark.parametrize("name", ["simclr", "moco", "byol", "swav", "clip"])
@pytest.mark.parametrize("height, width", [(32, 32), (40, 25)])
def test_views_equal_the_oracle(name: str, height: int, width: int) -> None:
    n = 20
    recipe, keys, batch = papers.recipe(name, 24, 3), Keys(0, 0, np.arange(n)), smooth(n, height, width)
    recipe = replace(recipe, mean=(0.1, 0.2, 0.3), std=(0.5, 0.6, 0.7))
    made = views(batch, recipe, keys, mode="fast")
    for number, view in enumerate(recipe.views[:3]):
        drawn = draw(view, number, keys, np.tile([height, width], (n, 1)))
        theirs = np.stack([oracle(picture, view, drawn, i) for i, picture in enumerate(batch)])
        theirs = (theirs - np.array(recipe.mean)[:, None, None]) / np.array(recipe.std)[:, None, None]
        apart = np.abs(made[number].double().numpy() - theirs)
        if view.solarize:  # a value at the threshold may fall on either side
            apart = apart[apart < np.quantile(apart, 0.999)]
        assert apart.max() < 2e-5


@pytest.mark.parametrize("channels, dtype", [(1, torch.uint8), (2, torch.uint8), (5, torch.uint16), (3, torch.uint16)])
def test_any_channels_and_sixteen_bits(channels: int, dtype: torch.dtype) -> None:
    n, white = 6, 255 if dtype == torch.uint8 else 4095
    batch = (smooth(n, 20, 30, channels).float() * (white / 255)).round().to(dtype)
    recipe = replace(papers.recipe("simclr", 24, channels), white=white)
    keys = Keys(0, 0, np.arange(n))
    made = views(batch, recipe, keys, mode="fast")[0]
    drawn = draw(recipe.views[0], 0, keys, np.tile([20, 30], (n, 1)))
    for i, picture in enumerate(batch):
        apart = np.abs(made[i].double().numpy() - oracle(picture, recipe.views[0], drawn, i, white))
        assert apart.max() < 2e-5
    assert bool(recipe.messages) == (channels != 3)


def test_sixteen_bits_stay() -> None:
    steps = torch.arange(1024, dtype=torch.float32).reshape(1, 1, 32, 32).to(torch.uint16)
    recipe = papers.recipe("none", 32, 1)
    for mode in ("fast", "exact"):
        made = views(steps, recipe, Keys(0, 0, np.arange(1)), mode=mode)[0]
        torch.testing.assert_close(made, steps.float() / 65535, atol=1e-8, rtol=1e-5)
        assert len(made.unique()) == 1024


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_large_pictures_go_another_way_to_the_same_pixels(interpolation: str) -> None:
    recipe = replace(papers.recipe("simclr", 112, 3), mean=(0.1, 0.2, 0.3), std=(0.5, 0.6, 0.7))
    recipe = replace(recipe, views=(replace(recipe.views[0], interpolation=interpolation, blur=1.0, solarize=0.5),))
    batch, keys = smooth(2, 120, 170), Keys(3, 0, np.arange(2))
    made = views(batch, recipe, keys, mode="fast")[0]
    drawn = draw(recipe.views[0], 0, keys, np.tile([120, 170], (2, 1)))
    assert set(drawn.solarize) == {False, True}
    shift, scale = (np.array(v)[:, None, None] for v in (recipe.mean, recipe.std))
    for i, picture in enumerate(batch):
        apart = np.abs(made[i].double().numpy() * scale + shift - oracle(picture, recipe.views[0], drawn, i))
        assert apart.max() < 0.02  # the resize returns whole steps of 1/255, which jitter may stretch
        assert apart.mean() < 0.003


def test_rows_of_the_spatial_map_sum_to_one() -> None:
    view = papers.recipe("simclr", 24, 3).views[0]
    drawn = draw(view, 0, Keys(0, 0, np.arange(64)), np.tile([50, 40], (64, 1)))
    ones = torch.ones(64, 3, 50, 40)
    made = resampled(ones, view, drawn, exact=False)(slice(0, 64))
    torch.testing.assert_close(made, torch.ones_like(made), atol=1e-5, rtol=0)


def test_hue_turn_keeps_luma_and_greys_and_goes_round() -> None:
    turns = fused.hue_turns(np.array([0.0, 0.2, -0.2, 1.0]))
    np.testing.assert_allclose(turns[0], np.eye(3), atol=1e-7)
    np.testing.assert_allclose(turns[1] @ turns[2], np.eye(3), atol=1e-7)
    np.testing.assert_allclose(turns[3], np.eye(3), atol=1e-7)
    np.testing.assert_allclose(fused.YIQ[:1] @ turns[1], fused.YIQ[:1], atol=1e-7)
    np.testing.assert_allclose(turns[1].sum(1), 1, atol=1e-7)
    third = fused.hue_turns(np.array([1 / 3]))[0] @ [1.0, 0.0, 0.0]
    assert third.argmax() == 1  # a third of a turn makes red green, as in HSV


@pytest.mark.parametrize("mode", ["fast", "exact"])
@pytest.mark.parametrize("size, image", [(32, (32, 32)), (28, (40, 31)), (112, (120, 100)), (64, (70, 90))])
def test_a_view_is_bit_equal_in_any_batch(mode: Mode, size: int, image: tuple[int, int]) -> None:
    n = 150 if size < 100 else 5
    recipe = papers.recipe("byol", size, 3)
    batch, ids = smooth(n, *image), np.arange(n) * 7 + 1
    whole = views(batch, recipe, Keys(1, 4, ids), mode=mode)
    order = np.random.default_rng(0).permutation(n)
    for rows in (np.array([n - 1]), np.array([0, 1]), order[: n // 2], order):
        part = views(batch[torch.from_numpy(rows)], recipe, Keys(1, 4, ids[rows]), mode=mode)
        assert all(torch.equal(a[torch.from_numpy(rows)], b) for a, b in zip(whole, part))
        listed = views([batch[i] for i in rows], recipe, Keys(1, 4, ids[rows]), mode=mode)
        again = views([*(batch[i] for i in rows), batch[0, :, :30]], recipe, Keys(1, 4, [*ids[rows], 99]), mode=mode)
        assert all(torch.equal(a, b[:-1]) for a, b in zip(listed, again))


@pytest.mark.parametrize("mode", ["fast", "exact"])
@pytest.mark.parametrize("size, image, n", [(32, (32, 32), 130), (224, (300, 350), 4)])
def test_threads_do_not_change_the_values(size: int, image: tuple[int, int], n: int, mode: Mode) -> None:
    recipe, keys, batch = papers.recipe("moco-v2", size, 3), Keys(1, 4, np.arange(n)), smooth(n, *image)
    before = torch.get_num_threads()
    try:
        made = []
        for threads in (1, 2):
            torch.set_num_threads(threads)
            made.append(views(batch, recipe, keys, mode=mode))
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(a, b) for a, b in zip(*made))


@settings(max_examples=40, deadline=None)
@given(
    sizes=st.lists(st.tuples(st.integers(1, 60), st.integers(1, 60)), min_size=1, max_size=5),
    size=st.integers(1, 40),
    channels=st.sampled_from([1, 3, 4]),
    name=st.sampled_from(list(papers.RECIPES)),
    mode=st.sampled_from(["fast", "exact"]),
)
def test_any_shape_gives_finite_views(
    sizes: list[tuple[int, int]], size: int, channels: int, name: str, mode: Mode
) -> None:
    recipe = papers.recipe(name, size, channels)
    batch = [smooth(1, *shape, channels)[0] for shape in sizes]
    for view, made in zip(recipe.views, views(batch, recipe, Keys(0, 0, np.arange(len(batch))), mode=mode)):
        assert made.shape == (len(batch), channels, view.size, view.size)
        assert made.dtype == torch.float32
        assert made.isfinite().all()


def test_prepare_is_timms_evaluation_transform() -> None:
    from PIL import Image
    from timm.data.transforms_factory import transforms_imagenet_eval

    mean, std = papers.IMAGENET
    theirs = transforms_imagenet_eval(64, crop_pct=1.0, interpolation="bicubic", mean=mean, std=std)
    batch = [smooth(1, 100, 130)[0], smooth(1, 75, 64)[0], smooth(1, 33, 50)[0], smooth(1, 64, 64)[0]]
    ours = Preprocessing(64, mean, std)(batch)
    for made, picture in zip(ours, batch):
        peer = theirs(Image.fromarray(picture.permute(1, 2, 0).numpy()))
        assert ((made - peer) * torch.tensor(std)[:, None, None]).abs().max() < 1.001 / 255


def test_prepare_leaves_pictures_of_that_size_alone() -> None:
    batch = pictures(5)
    as_is = Preprocessing(32, (0.0,) * 3, (1.0,) * 3)
    assert torch.equal(as_is(batch), batch.float() / 255)
    assert torch.equal(as_is(list(batch)), batch.float() / 255)


def test_fast_is_the_default_everywhere() -> None:
    recipe, keys, batch = papers.recipe("simclr", 32, 3), Keys(0, 0, np.arange(4)), pictures(4)
    fast, exact = (views(batch, recipe, keys, mode=mode)[0] for mode in ("fast", "exact"))
    assert torch.equal(views(batch, recipe, keys)[0], fast) and not torch.equal(fast, exact)
    assert planned(Settings(), Facts(100, 32, 3, False, False)).settings.view_mode == "fast"


def test_what_does_not_fit_is_told() -> None:
    recipe = papers.recipe("simclr", 32, 3)
    with pytest.raises(ValueError, match="names 3 samples"):
        views(pictures(2), recipe, Keys(0, 0, np.arange(3)))
    with pytest.raises(ValueError, match="for 3 channels"):
        views(pictures(2)[:, :1], recipe, Keys(0, 0, np.arange(2)))
