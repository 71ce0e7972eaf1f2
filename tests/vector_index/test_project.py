"""Maps: keyed by the seed, blind to the cut into shards, and their worth measured beside a random layout."""

import numpy as np
import pytest

from kontrast import keyed
from kontrast.errors import Unfit
from kontrast.vector_index import project
from kontrast.vector_index.project import kept_neighbours, layout

from .conftest import index_of, made_up


def test_pca_is_that_of_the_whole_table_for_any_shards(tmp_path):
    vectors, _ = made_up()
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    centred = unit.astype(np.float64) - unit.mean(axis=0, dtype=np.float64)
    _, _, turn = np.linalg.svd(centred, full_matrices=False)
    expected = centred @ turn[:2].T
    for shard in (50, 500):
        places = layout(index_of(tmp_path / str(shard), vectors, shard=shard), "pca").places
        np.testing.assert_allclose(np.abs(places), np.abs(expected), atol=1e-4)


def test_tsne_keeps_neighbours_and_is_a_function_of_its_seed(index):
    first, again = layout(index, "auto"), project._found(index, "tsne", 0)
    assert first.how == "tsne" and (first.places == again.places).all()
    assert first.kept > 0.4 > 5 * first.chance and first.chance == pytest.approx(10 / 229, abs=0.02)
    assert "t-SNE keeps" in first.line()


def test_a_map_is_kept_under_what_the_index_holds(tmp_path, monkeypatch):
    vectors, _ = made_up()
    first = layout(index_of(tmp_path / "i", vectors), "pca")
    with monkeypatch.context() as patched:
        patched.setattr(project, "_found", None)
        assert (layout(index_of(tmp_path / "i", vectors), "pca").places == first.places).all()
    other = layout(index_of(tmp_path / "i", vectors[:200]), "pca")
    assert len(other.places) == 200


def test_what_is_not_fitted_lies_by_its_nearest(index, monkeypatch):
    monkeypatch.setattr(project, "TSNE_UP_TO", 120)
    some = layout(index, "tsne")
    assert some.places.shape == (230, 2) and np.isfinite(some.places).all() and some.kept > 3 * some.chance


def test_a_perfect_map_keeps_all_and_a_shuffled_one_as_few_as_chance(tmp_path):
    angle = np.linspace(0, 3, 200)
    circle = np.stack([np.cos(angle), np.sin(angle)], 1).astype(np.float32)
    index = index_of(tmp_path / "i", circle)
    kept, chance = kept_neighbours(index, circle, 0)
    assert kept > 0.99 and chance < 0.1
    shuffled, _ = kept_neighbours(index, circle[keyed.permuted(np.arange(200), 200, "shuffled")], 0)
    assert shuffled < 0.12


@pytest.mark.proof
def test_umap_keeps_neighbours(index):
    pytest.importorskip("umap", reason="umap-learn is not installed")
    first, again = layout(index, "umap"), project._found(index, "umap", 0)
    assert (first.places == again.places).all() and first.kept > 5 * first.chance


def test_what_cannot_be_laid_out_is_told(index, tmp_path, monkeypatch):
    with pytest.raises(Unfit, match="--how 'som'"):
        layout(index, "som")
    with pytest.raises(Unfit, match="at least 5"):
        layout(index_of(tmp_path / "few", made_up()[0][:3]), "pca")
    monkeypatch.setattr(project, "find_spec", lambda _: None)
    with pytest.raises(Unfit, match="umap-learn"):
        layout(index, "umap")
