"""The same views for any number of workers and processes, in memory or decoded later, in any order of steps."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tests.data.hostile import folder, png

from kontrast.data.open import Source, open_source
from kontrast.data.sampler import Sampler
from kontrast.modalities.images.batches import ImageBatches
from kontrast.positives.images import views
from kontrast.positives.images.papers import recipe
from kontrast.positives.images.view import Keys

STEPS = 7


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Source:
    monkeypatch.setenv("KONTRAST_CACHE", str(tmp_path / "cache"))
    return open_source(
        folder(tmp_path / "d", {f"{i % 4}/{i}.png": png(i, height=16, width=16) for i in range(30)}), same="folder"
    )


def made(source: Source, rank: int = 0, processes: int = 1, **how: object) -> ImageBatches:
    order = Sampler(source.ids, 8, 5, STEPS, rank, processes)
    return ImageBatches(source, order, recipe("simclr-cifar", 16, 3), **how)  # type: ignore[arg-type]


def test_a_batch_is_the_keyed_views_of_its_ids(source: Source) -> None:
    batches = made(source)
    batch = batches(4)
    assert (
        batches.sampler.steps_per_epoch == 3
        and batch.step == 4
        and batch.total == STEPS == len(batches)
        and batch.seed == 5
    )
    ids = batch.ids_B.numpy()
    expected = views(source.images(ids), recipe("simclr-cifar", 16, 3), Keys(5, 1, ids), mode="fast")
    assert all(torch.equal(a, b) for a, b in zip(batch.views, expected, strict=True))
    assert torch.equal(batch.groups_B, torch.from_numpy(source.groups)[batch.ids_B])
    assert batches.waited > 0


@pytest.mark.parametrize("workers", [0, 1, 2, 4])
def test_workers_and_memory_change_nothing(source: Source, workers: int, tmp_path: Path) -> None:
    later = open_source(tmp_path / "d", same="folder", memory=1000)
    want, got = made(source), made(later, workers=workers)
    for step in (0, 1, 2, 5, 3, 6):  # in turn, and jumping as a resume does
        a, b = want(step), got(step)
        assert torch.equal(a.ids_B, b.ids_B)
        assert all(torch.equal(u, v) for u, v in zip(a.views, b.views, strict=True))


@pytest.mark.parametrize("processes", [2, 3])
def test_processes_share_one_batch(source: Source, processes: int) -> None:
    for same in (False, True):
        whole = made(source, same=same)(3)
        parts = [made(source, same=same, rank=rank, processes=processes)(3) for rank in range(processes)]
        assert torch.equal(whole.ids_B, torch.cat([part.ids_B for part in parts]))
        for v, view in enumerate(whole.views):
            assert torch.equal(view, torch.cat([part.views[v] for part in parts]))


def test_partners_come_from_the_group_and_are_other_pictures(source: Source) -> None:
    flat = replace(
        recipe("plain", 16, 3), views=tuple(replace(v, crop=None, flip=0.0) for v in recipe("plain", 16, 3).views)
    )
    batches = ImageBatches(source, Sampler(source.ids, 8, 5, 300), flat, same=True)
    everyone = source.images(source.ids)
    shown = views(everyone, flat, Keys(0, 0, source.ids), mode="fast")[0]
    for step in (0, 100):
        batch = batches(step)
        for row, sample in enumerate(batch.ids_B.tolist()):
            own = int((shown - batch.views[0][row]).abs().flatten(1).sum(1).argmin())
            other = int((shown - batch.views[1][row]).abs().flatten(1).sum(1).argmin())
            assert own == sample != other and source.groups[own] == source.groups[other]


def test_a_sample_alone_in_its_group_still_gets_two_unlike_views() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (4, 16, 16, 3), dtype=np.uint8)
    lonely = replace(open_source(pixels), groups=np.arange(4))
    twice = replace(recipe("simclr-cifar", 16, 3), views=(recipe("simclr-cifar", 16, 3).views[0],) * 2)
    batch = ImageBatches(lonely, Sampler(lonely.ids, 4, 0, 5), twice, same=True)(0)
    assert not torch.equal(batch.views[0], batch.views[1])


def test_same_needs_groups() -> None:
    source = open_source("digits")
    with pytest.raises(ValueError, match="no groups"):
        ImageBatches(source, Sampler(source.ids, 8, 0, 1), recipe("affine", 8, 1), same=True)


def test_large_pictures_lie_with_the_channels_last_and_are_the_same_from_memory_and_from_files(tmp_path: Path) -> None:
    files = {f"{i}.png": png(i, height=110, width=100) for i in range(6)}
    now = open_source(folder(tmp_path / "d", files))
    later = open_source(tmp_path / "d", memory=1000)
    mixed = open_source(folder(tmp_path / "m", files | {"z.png": png(7, height=98, width=130)}))
    pictures = [source.images(np.array([4, 1])) for source in (now, later, mixed)]
    for given in pictures:
        assert all(picture.stride(0) == 1 for picture in given)  # channels last in memory: what the resize wants
        assert all(torch.equal(a, b) for a, b in zip(given, pictures[0], strict=True))
    expected = np.stack([np.array(Image.open(tmp_path / "d" / f"{i}.png")).transpose(2, 0, 1) for i in (4, 1)])
    assert (pictures[0].numpy() == expected).all()
    small = open_source(folder(tmp_path / "s", {f"{i}.png": png(i) for i in range(3)})).images(np.arange(2))
    assert small.is_contiguous()
