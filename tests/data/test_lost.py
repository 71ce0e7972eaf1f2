"""A picture that cannot be read while training: named, its place stays empty, and nothing else changes."""

import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from kontrast import train
from kontrast.data.open import open_source
from kontrast.data.pixels.store import Lost
from kontrast.data.sampler import Sampler
from kontrast.errors import Failed
from kontrast.modalities.images.batches import FEW_LOST, ImageBatches
from kontrast.positives.images import papers

COUNT, BATCH = 24, 6


def picture(number):
    return Image.fromarray(np.random.default_rng(number).integers(0, 255, (14, 14, 3), dtype=np.uint8))


@pytest.fixture
def folder(tmp_path):
    for group in "ab":
        (tmp_path / "pictures" / group).mkdir(parents=True)
    for i in range(COUNT):
        picture(i).save(tmp_path / "pictures" / "ab"[i % 2] / f"{i:02d}.png")
    return tmp_path / "pictures"


def gone(path):
    path.unlink()


def cut(path):
    path.write_bytes(path.read_bytes()[:-200])


def other(path):
    picture(1000).save(path)


def batches(folder, workers=0, same=None):
    source = open_source(folder, memory=0, same=same)
    recipe = papers.recipe("simclr-cifar", 10, 3)
    return ImageBatches(source, Sampler(source.ids, BATCH, 3, 40), recipe, workers=workers, same=same is not None)


@pytest.mark.parametrize("harm", [gone, cut, other])
@pytest.mark.parametrize("workers", [0, 2])
def test_only_the_rows_of_a_lost_picture_change(folder, harm, workers):
    whole = [batches(folder)(step) for step in range(8)]
    here, again = batches(folder, workers), batches(folder)
    lost = int(whole[2].ids_B[4])
    harm(folder / here.source.names[lost])
    found = 0
    for step, before in enumerate(whole):
        batch, same = here(step), again(step)
        assert torch.equal(batch.ids_B, same.ids_B) and all(map(torch.equal, batch.views, same.views))
        stayed = before.ids_B != lost
        found += int((~stayed).sum())
        assert torch.equal(batch.ids_B, before.ids_B[stayed])
        for now, then in zip(batch.views, before.views):
            assert torch.equal(now, then[stayed])
    assert found == 2  # once an epoch
    assert list(here.sampler.lost) == [lost]


def test_a_lost_partner_leaves_two_views_of_the_sample(folder):
    here = batches(folder, same="folder")
    (folder / here.source.names[5]).unlink()
    for step in range(8):
        batch = here(step)
        assert 5 not in batch.ids_B.tolist()
        assert torch.equal(batch.groups_B, torch.from_numpy(here.source.groups[batch.ids_B.numpy()]))


def test_where_too_many_go_it_is_no_accident(folder):
    here = batches(folder)
    shutil.rmtree(folder)
    with pytest.raises(Lost, match="broken, gone or others"):
        for step in range(8):
            here(step)


WORDS = {"method": "simclr", "epochs": 6, "batch_size": BATCH, "threads": 1, "encoder": "small", "validate": "none"}


def test_a_run_goes_on_and_names_what_it_skipped(folder, tmp_path):
    source, said = open_source(folder, memory=0), []

    def show(row, steps):
        if row["step"] == 3:
            gone(folder / source.names[7])

    run = train(source, out=str(tmp_path / "run"), say=said.append, show=show, **WORDS)
    assert run.ending == "done" and run.exit_code in (0, 1) and (tmp_path / "run/model/model.safetensors").exists()
    assert [line for line in said if line.startswith("skipped") and source.names[7] in line]
    assert (tmp_path / "run/summary.json").exists()


def test_a_disk_that_goes_away_costs_nothing(folder, tmp_path):
    """The run is saved at the step it could not make; when the pictures are back it ends with the same bits."""
    assert FEW_LOST < COUNT
    whole = train(open_source(folder, memory=0), out=str(tmp_path / "whole"), say=[].append, **WORDS)
    away = tmp_path / "away"

    def show(row, steps):
        if row["step"] == 9 and not away.exists():
            folder.rename(away)

    source = open_source(folder, memory=0)
    with pytest.raises(Failed, match="--resume"):
        train(source, out=str(tmp_path / "run"), say=[].append, show=show, **WORDS)
    away.rename(folder)
    again = train(open_source(folder, memory=0), resume=tmp_path / "run", say=[].append)
    assert again.ending == "done"
    ours, theirs = ((run.path / "model/model.safetensors").read_bytes() for run in (again, whole))
    assert ours == theirs
