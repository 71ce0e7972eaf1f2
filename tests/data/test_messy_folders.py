"""Folders as people have them: splits in capitals, strays beside them, links, names that are no text."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.data.hostile import folder, png

from kontrast.data.open import open_source
from kontrast.errors import Unfit


def tree(root: Path, **pictures: int) -> Path:
    """So many pictures in each folder; `stray` are beside them."""
    files = {}
    for seed, (name, count) in enumerate(pictures.items()):
        for i in range(count):
            files[f"preview{i}.png" if name == "stray" else f"{name}/cat/{i}.png"] = png(100 * seed + i)
    return folder(root, files)


@pytest.mark.parametrize(
    ("train", "test"), [("Training", "Testing"), ("TRAIN", "Test"), ("train", "test"), ("training", "TESTING")]
)
@pytest.mark.parametrize("stray", [0, 1, 2])
def test_splits_in_any_case_with_strays_beside(tmp_path: Path, train: str, test: str, stray: int) -> None:
    data = tree(tmp_path / "d", **{train: 4, test: 2, "stray": stray})
    source = open_source(data)
    assert {name: len(ids) for name, ids in source.splits.items()} == {"train": 4, "test": 2}
    assert len(source) == 6 + stray and len(source.ids) == 6
    said = [line for line in source.messages if "beside the splits" in line]
    assert len(said) == bool(stray) and all("preview0.png" in line for line in said)
    for name in (test, "test", test.upper()):
        assert open_source(data, split=name).ids.tolist() == source.splits["test"].tolist()
    assert open_source(data, labels="folder").classes == ("cat",)


def test_a_link_beside_the_splits_changes_nothing(tmp_path: Path) -> None:
    data = tree(tmp_path / "d", train=3, test=2)
    plain = open_source(data)
    os.symlink(data / "train", data / "latest")
    os.symlink(tmp_path, data / "all")
    source = open_source(data)
    assert sorted(source.splits) == ["test", "train"] and len(source.ids) == 5
    assert {s.name for s in source.skipped} == {"latest", "all"}
    assert plain.splits["train"].size == source.splits["train"].size


@pytest.mark.parametrize(
    ("pictures", "alike"),
    [
        ({"car": 3, "train": 3, "bus": 3}, "train/"),
        ({"train2017": 3, "val2017": 3}, "train2017/, val2017/"),
        ({"train": 2, "stray": 9}, "train/"),
        ({"test_images": 3, "stray": 1}, "test_images/"),
    ],
)
def test_what_looks_like_splits_and_is_none_is_said(tmp_path: Path, pictures: dict[str, int], alike: str) -> None:
    source = open_source(tree(tmp_path / "d", **pictures))
    assert not source.splits and len(source.ids) == sum(pictures.values())
    assert any(f"{alike} may be meant as splits but are not taken" in line for line in source.messages)


def test_folders_that_are_no_splits_say_nothing(tmp_path: Path) -> None:
    source = open_source(tree(tmp_path / "d", cat=2, trainer=2, devil=2, contest=2))
    assert not source.splits and len(source.messages) == 1


def test_links_are_followed_only_when_asked_and_never_in_a_circle(tmp_path: Path) -> None:
    folder(
        tmp_path,
        {
            "disk/a/1.png": png(1),
            "disk/b/2.png": png(2),
            "disk/3.png": png(3),
            "in/4.png": png(4),
            "in/real/5.png": png(5),
        },
    )
    inside = tmp_path / "in"
    for name, target in {
        "disk": tmp_path / "disk",
        "one.png": tmp_path / "disk/a/1.png",
        "real2": inside / "real",
        "self": inside,
        "up": tmp_path,
        "gone.png": tmp_path / "nothing.png",
        "again": tmp_path / "disk",
    }.items():
        os.symlink(target, inside / name)
    os.symlink(inside, tmp_path / "disk/back")
    os.symlink("loop2", inside / "loop1")
    os.symlink("loop1", inside / "loop2")
    closed = open_source(inside)
    assert [closed.names[i] for i in closed.ids] == ["4.png", "real/5.png"]
    assert all("--follow-links" in s.reason for s in closed.skipped if "outside" in s.reason)
    opened = open_source(inside, follow_links=True)
    there = [opened.names[i] for i in opened.ids]
    assert there == ["4.png", "again/3.png", "again/a/1.png", "again/b/2.png", "one.png", "real/5.png"]
    reasons = {s.name: s.reason for s in opened.skipped}
    assert reasons["gone.png"] == reasons["loop1"] == "a link to nothing"
    assert reasons["disk"] == reasons["real2"] == reasons["self"] == "a link to a folder that is read already"
    plain = folder(tmp_path / "plain", {"1.png": png(1)})
    assert open_source(plain).fingerprint == open_source(plain, follow_links=True).fingerprint


def test_a_table_beside_links(tmp_path: Path) -> None:
    folder(
        tmp_path,
        {
            "disk/1.png": png(1),
            "in/2.png": png(2),
            "in/a.csv": b"image,text\nlink/1.png,one\n2.png,two\n../disk/1.png,up\n",
        },
    )
    os.symlink(tmp_path / "disk", tmp_path / "in/link")
    closed, opened = (open_source(tmp_path / "in/a.csv", follow_links=follow) for follow in (False, True))
    assert closed.ids.tolist() == [1] and "--follow-links follows it" in closed.skipped[0].reason
    assert opened.ids.tolist() == [0, 1] and "leaves the folder" in opened.skipped[0].reason


@pytest.mark.parametrize("raw", [b"caf\xe9", b"\x1b[31mred", b"new\nline", b"\x9b31m", "e\u202ecod".encode()])
def test_names_that_no_terminal_should_see(tmp_path: Path, raw: bytes) -> None:
    root = os.fsencode(tmp_path) + b"/d"
    for place in (root, root + b"/" + raw):
        os.makedirs(place)
        for i in range(4):
            with open(place + b"/" + raw + b"%d.png" % i, "wb") as file:
                file.write(png(i) if i else b"broken")
    data = Path(os.fsdecode(root))
    source = open_source(data, labels="folder")
    assert len(source.ids) == 6 and len(source.skipped) == 2
    for line in (
        *source.messages,
        *source.classes,
        source.name,
        open_source(Path(os.fsdecode(root + b"/" + raw))).name,
    ):
        assert line.isprintable(), line
    with pytest.raises(Unfit) as caught:
        open_source(data, strict=True)
    assert str(caught.value).isprintable()
    with pytest.raises(Unfit) as caught:
        open_source(data / os.fsdecode(raw + b".csv"))
    assert str(caught.value).isprintable()
