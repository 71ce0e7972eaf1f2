"""An index is a function of its data and model: any makers, kills, repairs and growth leave the same bytes."""

import multiprocessing
import random
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from kontrast.data.open import open_source
from kontrast.errors import Unfit
from kontrast.vector_index.build import build
from kontrast.vector_index.layout import Meta, place, seal_of
from kontrast.vector_index.shards import Wanted

from .conftest import WIDTH, index_of, made_up


def maker(folder, vectors, seconds):
    """Make an index with a slow model."""

    def embed(_, ids):
        time.sleep(seconds)
        return torch.from_numpy(vectors[ids])

    wanted = Wanted(open_source([f"sentence {row} of many" for row in range(len(vectors))]), embed)
    build(folder, Meta("model", "w", "data", len(vectors), WIDTH, 16, "float32", 1, 0, wanted.text), wanted)


def content(folder: Path) -> dict[str, bytes]:
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in sorted(folder.rglob("*"))
        if file.is_file() and file.name != "verified.json"
    }


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # a fork of a process with threads
def test_makers_killed_at_random_leave_the_same_bytes(tmp_path):
    vectors, _ = made_up(400)
    alone = index_of(tmp_path / "alone", vectors, shard=16)
    chance = random.Random(0)
    fork = multiprocessing.get_context("fork")
    makers = [fork.Process(target=maker, args=(tmp_path / "shared", vectors, 0.05)) for _ in range(4)]
    for each in makers:
        each.start()
    for number, each in enumerate(makers):  # each dies within its shards
        end = time.monotonic() + 60
        while len(list(tmp_path.glob("shared/seals/*.json"))) < 2 + 4 * number and time.monotonic() < end:
            time.sleep(0.005)
        time.sleep(chance.uniform(0, 0.05))
        each.kill()
        each.join()
    made = len(list(tmp_path.glob("shared/seals/*.json")))
    assert 0 < made < 25, f"{made} of 25 shards were made before the makers were killed"
    maker(tmp_path / "shared", vectors, 0)
    assert content(tmp_path / "shared") == content(alone.folder)


@pytest.mark.parametrize("part", ["vectors", "items", "seals"])
@pytest.mark.parametrize("harm", ["gone", "cut", "altered"])
def test_a_damaged_shard_alone_is_made_again(tmp_path, part, harm):
    vectors, place_N = made_up()
    index = index_of(tmp_path / "i", vectors, labels=place_N)
    before = content(index.folder)
    file = place(index.folder, part, 1)
    raw = file.read_bytes()
    altered = raw[:-9] + bytes([raw[-9] ^ 4]) + raw[-8:]
    file.unlink() if harm == "gone" else file.write_bytes(raw[:-1] if harm == "cut" else altered)
    others = {n: place(index.folder, "vectors", n).stat().st_ino for n in (0, 2, 3)}
    index_of(tmp_path / "i", vectors, labels=place_N)
    assert content(index.folder) == before
    assert {n: place(index.folder, "vectors", n).stat().st_ino for n in (0, 2, 3)} == others


def test_grown_and_changed_data_remake_their_shards_alone(tmp_path):
    vectors, _ = made_up()
    index = index_of(tmp_path / "i", vectors)
    files = {n: place(index.folder, "vectors", n).stat().st_ino for n in range(4)}
    grown = np.concatenate([vectors, vectors[:30]])
    texts = [f"sentence {row} of many" for row in range(len(grown))]
    texts[70] = "another sentence"
    index = index_of(tmp_path / "i", grown, texts=texts)
    kept = {n for n in range(4) if place(index.folder, "vectors", n).stat().st_ino == files[n]}
    assert kept == {0, 2} and len(index) == 260
    assert content(index.folder) == content(index_of(tmp_path / "fresh", grown, texts=texts).folder)
    shrunk = index_of(tmp_path / "i", vectors[:100])
    assert len(shrunk) == 100 and len(list((index.folder / "vectors").iterdir())) == 2


def test_other_labels_rewrite_the_items_and_keep_the_vectors(tmp_path):
    vectors, place_N = made_up()
    index = index_of(tmp_path / "i", vectors, labels=place_N)
    vectors_before = place(index.folder, "vectors", 0).stat().st_ino
    other = index_of(tmp_path / "i", vectors, labels=(place_N + 1) % 5)
    assert other.column("label")[0] == "1"
    assert place(index.folder, "vectors", 0).stat().st_ino == vectors_before


def test_other_weights_make_everything_anew(tmp_path):
    vectors, _ = made_up()
    before = seal_of(index_of(tmp_path / "i", vectors).folder, 0)
    assert seal_of(index_of(tmp_path / "i", vectors[::-1].copy(), weights="other").folder, 0) != before


def test_what_would_be_overwritten_is_refused(tmp_path):
    vectors, _ = made_up()
    index_of(tmp_path / "i", vectors)
    with pytest.raises(Unfit, match="dtype is 'float32', and 'float16' was asked for"):
        index_of(tmp_path / "i", vectors, dtype="float16")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear")
    with pytest.raises(Unfit, match="is no index"):
        index_of(tmp_path / "mine", vectors)


def test_a_model_that_gives_no_numbers_is_told_by_its_sample(tmp_path):
    vectors, _ = made_up()
    vectors[77, 3] = np.nan
    with pytest.raises(Unfit, match="not finite for row 78"):
        index_of(tmp_path / "i", vectors)
