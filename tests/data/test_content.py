"""What is held out shares nothing with what is trained on; without copies and groups the choice is that of the ids."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from kontrast.data.check import check
from kontrast.data.content import contents, kept_apart, linked
from kontrast.data.open import open_source
from kontrast.data.scored_pairs import by_rows
from kontrast.data.source import held_out


def picture(seed: int, ending: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)).save(file, ending)
    return file.getvalue()


def captions(place: Path, pictures: int, each: int) -> Path:
    for n in range(pictures):
        (place / f"{n}.png").write_bytes(picture(n))
    rows = [f"{n}.png,caption {k} of {n}" for k in range(each) for n in range(pictures)]
    (place / "captions.csv").write_text("\n".join(["image,text", *rows]))
    return place / "captions.csv"


def test_five_rows_a_picture_share_no_picture(tmp_path: Path) -> None:
    source = open_source(captions(tmp_path, 40, 5))
    train, held = source.held_out(20, seed=0)
    assert len(held) == 20 and len(train) == 180
    names = np.array(source.names)
    assert not set(names[train]) & set(names[held])
    told = "\n".join(check(source.part(train), source.part(held)).lines())
    assert "pushed away" not in told and "too good" not in told


def test_pictures_of_one_content_in_other_files_and_formats_stay_together(tmp_path: Path) -> None:
    for n in range(30):
        (tmp_path / f"{n:02}.png").write_bytes(picture(n))
        (tmp_path / f"x{n:02}.bmp").write_bytes(picture(n, "BMP"))
    source = open_source(tmp_path)
    train, held = source.held_out(6, seed=1)
    content = dict(zip(source.ids.tolist(), contents(source)))
    assert len(held) == 6 and not {content[i] for i in train.tolist()} & {content[i] for i in held.tolist()}
    assert "each is pushed away from its own copy" in "\n".join(check(source).lines())


def test_rows_of_sentences_with_one_in_common_stay_together_unless_all_hang_together(tmp_path: Path) -> None:
    rows = [f"anchor {n // 4},positive {n}" for n in range(80)]
    (tmp_path / "p.csv").write_text("\n".join(["anchor,positive", *rows]))
    source = open_source(tmp_path / "p.csv")
    train, held = source.held_out(8, seed=0)
    anchors = np.array(source.columns["anchor"])
    assert len(held) == 8 and not set(anchors[train]) & set(anchors[held])
    chain = [f"word {n},word {(n + 1) % 80}" for n in range(80)]
    (tmp_path / "chain.csv").write_text("\n".join(["anchor,positive", *chain]))
    hanging = open_source(tmp_path / "chain.csv")
    train, held = hanging.held_out(8, seed=0)
    assert np.array_equal(held, held_out(hanging.ids, 8, 0)[1])
    told = "\n".join(check(hanging.part(train), hanging.part(held)).lines())
    assert "in common with rows to train on" in told


def test_scored_pictures_stay_together(tmp_path: Path) -> None:
    for n in range(60):
        (tmp_path / f"{n}.png").write_bytes(picture(n))
    rows = [f"{n - n % 3}.png,{n - n % 3 + 1 + n % 2}.png,{n % 2}" for n in range(60)]
    (tmp_path / "rows.csv").write_text("\n".join(["a,b,label", *rows]))
    source = by_rows(open_source(tmp_path / "rows.csv"))
    train, held = source.held_out(6, seed=0)
    assert source.scored is not None
    sides = [np.array([source.names[int(i)] for i in side]) for side in source.scored[:2]]
    shown = [{*sides[0][ids], *sides[1][ids]} for ids in (train, held)]
    assert len(held) >= 3 and not shown[0] & shown[1]


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(0, 30), min_size=12, max_size=90), st.integers(0, 5), st.floats(0.05, 0.5))
def test_no_link_runs_across_a_held_out_part(numbers: list[int], seed: int, share: float) -> None:
    ids = np.arange(3, 3 + 2 * len(numbers), 2)
    count = max(1, round(share * len(ids)))
    held = kept_apart(ids, count, seed, np.array(numbers))
    if held is None:
        return
    inside = np.isin(ids, held)
    assert not set(np.array(numbers)[inside]) & set(np.array(numbers)[~inside])
    assert count / 2 <= len(held) <= 2 * count and len(held) < len(ids)


@settings(deadline=None, max_examples=40)
@given(st.integers(12, 200), st.integers(0, 5), st.floats(0.05, 0.9))
def test_without_links_the_choice_is_that_of_the_ids_alone(size: int, seed: int, share: float) -> None:
    ids = np.arange(size) * 3
    count = max(1, min(size - 1, round(share * size)))
    held = kept_apart(ids, count, seed, np.arange(size)[::-1])
    assert np.array_equal(held, held_out(ids, count, seed)[1])


def test_digits_keep_the_part_they_always_kept() -> None:
    source = open_source("digits")
    assert len(np.unique(linked(source, members=True))) == len(source.ids)
    assert np.array_equal(source.held_out(100, 0)[1], held_out(source.ids, 100, 0)[1])


def test_words_of_one_content(tmp_path: Path) -> None:
    (tmp_path / "s.txt").write_text("\n".join(f"sentence {n % 20}" for n in range(60)))
    source = open_source(tmp_path / "s.txt")
    train, held = source.held_out(6, seed=0)
    texts = np.array(source.columns["text"])
    assert len(held) == 6 and not set(texts[train]) & set(texts[held])


@pytest.mark.parametrize("seed", range(3))
def test_groups_stay_together(tmp_path: Path, seed: int) -> None:
    for n in range(60):
        (tmp_path / f"g{n // 3}").mkdir(exist_ok=True)
        (tmp_path / f"g{n // 3}" / f"{n}.png").write_bytes(picture(n))
    source = open_source(tmp_path, same="folder")
    train, held = source.held_out(6, seed=seed)
    assert source.groups is not None and not set(source.groups[train]) & set(source.groups[held])
