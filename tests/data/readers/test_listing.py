"""One pass over names; what a folder held is believed as long as its time of change stays."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from kontrast.data.readers import listing
from kontrast.data.readers.listing import listed


@pytest.fixture
def scanned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The folders that were listed, and a cache that keeps all."""
    monkeypatch.setenv("KONTRAST_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(listing, "KEPT_FROM", 1)
    seen: list[str] = []
    real = os.scandir
    monkeypatch.setattr(
        listing.os, "scandir", lambda path: (seen.append(os.path.basename(path.rstrip("/"))), real(path))[1]
    )
    return seen


def made(folder: Path, names: list[str]) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")
    settled(folder)
    return folder


def settled(folder: Path) -> None:
    """As if nothing had changed for a while."""
    for place, _, _ in os.walk(folder):
        os.utime(place, ns=(10**18, os.stat(place).st_mtime_ns - 10**10))


def test_only_what_changed_is_listed_again(tmp_path: Path, scanned: list[str]) -> None:
    data = made(tmp_path / "data", ["b/1.png", "a-x/2.jpg", "a/3.PNG", "a/note.txt", "top.webp"])
    scanned.clear()
    first, refused, others = listed(data)
    assert first == ["a-x/2.jpg", "a/3.PNG", "b/1.png", "top.webp"] and not refused and others == {".txt": 1}
    assert sorted(scanned) == ["a", "a-x", "b", "data"]
    scanned.clear()
    again = listed(data)
    assert again == (first, refused, others) and scanned == []
    (data / "a" / "0.png").write_bytes(b"")
    (data / "b" / "1.png").unlink()
    assert listed(data)[0] == ["a-x/2.jpg", "a/0.png", "a/3.PNG", "top.webp"]
    assert sorted(scanned) == ["a", "b"]
    scanned.clear()
    listed(data)
    assert sorted(scanned) == ["a", "b"]  # they changed a moment ago, and may do so again within a tick
    made(data, ["c/d/9.png"])
    assert "c/d/9.png" in listed(data)[0]


def test_links_are_looked_at_every_time(tmp_path: Path, scanned: list[str]) -> None:
    data = made(tmp_path / "data", ["a/1.png"])
    outside = made(tmp_path / "outside", ["2.png"])
    os.symlink(data / "a" / "1.png", data / "in.png")
    settled(data)
    assert listed(data)[1] == {}
    (data / "a" / "1.png").rename(outside / "1.png")
    assert listed(data)[1] == {0: "a link to nothing"}


@pytest.mark.parametrize(
    "content", [b"", b"[[1]]", b'[["", 5, [1, 2], {}]]', b'{"a": 1}', b'[["", 5, ["x.png", ""], null]]']
)
def test_a_damaged_cache_is_none(tmp_path: Path, scanned: list[str], content: bytes) -> None:
    data = made(tmp_path / "data", ["1.png"])
    listed(data)
    (file,) = (tmp_path / "cache" / "names").iterdir()
    assert json.loads(file.read_bytes())[0][2] == ["1.png", ""]
    file.write_bytes(content.replace(b"5", str(os.stat(data).st_mtime_ns).encode()))
    assert listed(data)[0] == ["1.png"]
