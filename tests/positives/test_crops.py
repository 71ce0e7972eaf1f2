"""Crops may be said in any order: the largest come first, where SwAV, MoCo and BYOL look for the full views."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file

import kontrast
from kontrast.errors import Unfit
from kontrast.positives.images import papers


@given(st.lists(st.tuples(st.integers(1, 9), st.sampled_from([32, 64, 96, 224])), min_size=1, max_size=5), st.randoms())
def test_the_order_does_not_matter_and_two_full_views_are_needed(terms, dice):
    text = "+".join(f"{count}x{size}" for count, size in terms)
    largest = max(size for _, size in terms)
    full = sum(count for count, size in terms if size == largest)
    if full < 2:
        with pytest.raises(Unfit, match=f"two views of full size.* 1 of {largest} px"):
            papers.parse_crops(text, None)
        return
    crops = papers.parse_crops(text, None)
    sizes = [size for count, size in crops for _ in range(count)]
    assert sizes == sorted((size for count, size in terms for _ in range(count)), reverse=True)
    dice.shuffle(terms)
    assert papers.parse_crops("+".join(f"{count}x{size}" for count, size in terms), None) == crops
    for name in ("swav", "byol", "moco-v2", "simclr"):
        made = papers.recipe(name, 224, 3, crops=text)
        assert made == papers.recipe(name, 224, 3, crops="+".join(f"{c}x{s}" for c, s in crops))
        assert [view.size for view in made.views] == sizes and made.views[0].size == made.views[1].size
    first, second = papers.recipe("byol", 224, 3, crops=text).views[:2]
    assert (first.blur, second.blur) == (1.0, 0.1)  # its two full views differ, however they are counted


def test_a_bare_number_counts_crops_of_the_image_size():
    assert papers.parse_crops("6x32+2", 64) == [(2, 64), (6, 32)]
    assert papers.parse_crops("6x32+2", None) == []  # the size is not known yet
    for text in ("2x", "0x224", "two", "", "2x224+"):
        with pytest.raises(Unfit, match="not understood"):
            papers.parse_crops(text, 64)


@pytest.mark.parametrize("method", ["swav", "moco", "byol", "simclr", "barlow-twins"])
def test_one_full_view_is_refused_before_any_work(method, tmp_path):
    with pytest.raises(Unfit, match="two views of full size"):
        kontrast.train("no data are looked for", method=method, crops="1x24+2x12", out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_run_is_the_same_in_either_order(tmp_path):
    np.save(tmp_path / "pictures.npy", np.random.default_rng(0).integers(0, 256, (32, 24, 24, 3), dtype=np.uint8))
    weights = []
    for number, crops in enumerate(("2x24+2x16", "2x16+2x24")):
        out = tmp_path / str(number)
        kontrast.train(tmp_path / "pictures.npy", method="swav", crops=crops, out=out, epochs=1, batch_size=16,
                       validate="none", set=["width=8", "hidden=8", "prototypes=8"], device="cpu")  # fmt: skip
        weights.append(load_file(next((out / "model").glob("*.safetensors"))))
    assert all(bool((weights[0][name] == weights[1][name]).all()) for name in weights[0])
