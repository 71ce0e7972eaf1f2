"""A folder that is not looked at first: the same pixels, the same parts held out, and broken files named when met."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tests.data.hostile import deep_png, encoded, folder, pixels, png

from kontrast import train
from kontrast.data.open import open_source
from kontrast.data.pixels import decode
from kontrast.data.pixels.store import Lost
from kontrast.data.pixels.unread import Met
from kontrast.errors import Unfit

WORDS = {"method": "simclr", "epochs": 2, "batch_size": 8, "threads": 1, "encoder": "small", "device": "cpu"}


def pictures(tmp_path: Path, more: dict[str, bytes] | None = None, count: int = 40) -> Path:
    return folder(tmp_path / "data", {f"{'ab'[i % 2]}/{i:03d}.png": png(i) for i in range(count)} | (more or {}))


def both(data: Path, **how: object):
    return open_source(data, **how), open_source(data, survey=False, **how)


def test_nothing_is_decoded_before_it_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = pictures(tmp_path)
    decoded: list[int] = []
    real = decode.decode
    monkeypatch.setattr("kontrast.data.pixels.unread.decode", lambda *w: (decoded.append(1), real(*w))[1])
    monkeypatch.setattr("kontrast.data.pixels.store.decode", lambda *w: (decoded.append(1), real(*w))[1])
    source = open_source(data, survey=False, labels="folder")
    train_ids, held = source.held_out(10, 0)
    assert decoded == [] and isinstance(source.pictures, Met) and len(held) == 10
    source.images(train_ids[:5])
    source.images(train_ids[:5])
    assert len(decoded) == 5  # kept


@pytest.mark.parametrize("how", [{}, {"memory": 100}, {"channels": 1}, {"labels": "folder", "same": "folder"}])
@pytest.mark.parametrize("kind", ["equal", "sizes", "large", "grey"])
def test_the_same_source_but_for_what_is_not_known_yet(tmp_path: Path, how: dict[str, object], kind: str) -> None:
    more = {
        "equal": {},
        "sizes": {"c/x.png": png(77, height=30, width=20)},
        "large": {f"c/{i}.jpg": encoded(Image.fromarray(pixels(100, 130, seed=i)), "JPEG") for i in range(3)},
        "grey": {"c/g.png": encoded(Image.fromarray(pixels(seed=55)).convert("L"), "PNG")},
    }[kind]
    seen, unseen = both(pictures(tmp_path, more), shorter_side=50, **how)
    for name in ("channels", "size", "bits", "white", "shapes", "classes", "skipped", "splits"):
        assert getattr(seen, name) == getattr(unseen, name), name
    assert list(seen.names) == list(unseen.names) and np.array_equal(seen.ids, unseen.ids)
    assert str(seen.labels) == str(unseen.labels) and str(seen.groups) == str(unseen.groups)
    for part in (seen.ids, seen.ids[[7, 3, 40]] if len(seen) > 40 else seen.ids[:2]):
        one, other = seen.images(part), unseen.images(part)
        assert type(one) is type(other) and all(map(torch.equal, one, other))
        if isinstance(one, torch.Tensor):
            assert one.stride() == other.stride()
    for share in (5, 0.3):
        for a, b in zip(seen.held_out(share, 3), unseen.held_out(share, 3)):
            assert a.tolist() == b.tolist()


def test_equal_files_are_on_one_side(tmp_path: Path) -> None:
    data = pictures(tmp_path, {f"c/{i:03d}.png": png(i % 7) for i in range(60)})
    seen, unseen = both(data)
    for seed in range(5):
        assert [a.tolist() for a in seen.held_out(20, seed)] == [a.tolist() for a in unseen.held_out(20, seed)]


def test_a_picture_of_another_size_than_the_sample_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kontrast.data.readers.unsurveyed.PEEK", 3)
    data = pictures(tmp_path, {"c/x.png": png(77, height=30, width=20)})
    source = open_source(data, survey=False)
    assert source.size == (12, 10)
    odd = source.names.index("c/x.png")
    assert [tuple(p.shape) for p in source.images([0, odd])] == [(3, 12, 10), (3, 30, 20)]
    assert tuple(source.images([0, 1]).shape) == (2, 3, 12, 10)


def test_sixteen_bits_and_nothing_readable_are_looked_at_first(tmp_path: Path) -> None:
    assert open_source(
        folder(tmp_path / "deep", {"a.png": deep_png(pixels().astype(np.uint16) * 257), "b.png": png()}), survey=False
    ).surveyed
    with pytest.raises(Unfit, match="all 2 samples"):
        open_source(folder(tmp_path / "bad", {"a.png": b"x", "b.png": b""}), survey=False)
    with pytest.raises(Unfit, match=r"1 of 41 .*bad\.png"):
        open_source(pictures(tmp_path, {"bad.png": b"x"}), survey=False, strict=True)


def test_the_fingerprint_knows_names_sizes_and_the_sample(tmp_path: Path) -> None:
    data = pictures(tmp_path)
    first = open_source(data, survey=False).fingerprint
    assert open_source(data, survey=False).fingerprint == first
    (data / "a" / "000.png").write_bytes(png(99))
    assert open_source(data, survey=False).fingerprint != first


def test_a_broken_picture_is_named_and_its_place_stays_empty(tmp_path: Path) -> None:
    data = pictures(tmp_path, {"a/002.png": b"broken", "b/005.png": png(5)[:-300]})
    source = open_source(data, survey=False)
    assert len(source.ids) == 40
    with pytest.raises(Lost, match="2 pictures"):
        source.images(source.ids)
    said: list[str] = []
    run = train(str(data), out=str(tmp_path / "run"), say=said.append, labels="folder", **WORDS)
    assert run.exit_code in (0, 1)
    named = {one["name"]: one["reason"] for one in run.summary["skipped"]}
    assert set(named) == {"a/002.png", "b/005.png"} and "truncated" in named["b/005.png"]
    assert sum(line.startswith("skipped") for line in said) >= 2
    surveyed = train(str(data), out=str(tmp_path / "all"), say=said.append, labels="folder", survey=True, **WORDS)
    assert {one["name"] for one in surveyed.summary["skipped"]} == set(named)
