"""Folders as people have them: nested, hostile, split; ids that do not move."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tests.data.hostile import deep_png, encoded, folder, pixels, png

from kontrast.data.open import open_source
from kontrast.errors import Unfit


def test_flat_and_nested_in_sorted_order(tmp_path: Path) -> None:
    folder(
        tmp_path, {"b.png": png(1), "a/z.PNG": png(2), "a/b/c.png": png(3), "note.txt": b"hello", ".hidden.png": png(4)}
    )
    source = open_source(tmp_path)
    assert list(source.names) == ["a/b/c.png", "a/z.PNG", "b.png"]
    assert source.ids.tolist() == [0, 1, 2] and source.labels is None and source.groups is None
    assert torch.equal(source.images([2])[0], torch.from_numpy(pixels(seed=1)).permute(2, 0, 1))
    assert any("1 files that are not pictures" in line and ".txt" in line for line in source.messages)


def test_broken_files_keep_their_place(tmp_path: Path) -> None:
    folder(
        tmp_path,
        {
            "a.png": png(1),
            "b.png": b"not one",
            "c.jpg": encoded(Image.fromarray(pixels()), "JPEG")[:200],
            "d.png": png(2),
        },
    )
    source = open_source(tmp_path)
    assert len(source) == 4 and source.ids.tolist() == [0, 3]
    assert [(s.id, s.name) for s in source.skipped] == [(1, "b.png"), (2, "c.jpg")]
    assert "not a picture" in source.skipped[0].reason and "truncated" in source.skipped[1].reason
    assert torch.equal(source.images([3])[0], torch.from_numpy(pixels(seed=2)).permute(2, 0, 1))
    with pytest.raises(ValueError, match="not usable"):
        source.images([1])
    with pytest.raises(Unfit, match=r"2 of 4 .*b\.png"):
        open_source(tmp_path, strict=True)


def test_what_is_unfit_is_said_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    folder(tmp_path / "broken", {"a.png": b"x", "b.jpg": b""})
    folder(tmp_path / "words", {"a.csv": b"text\nhello\n"})
    for data, words in (
        (tmp_path / "empty", "holds no pictures"),
        (tmp_path / "broken", "all 2 samples"),
        (tmp_path / "words", r"no pictures \(it holds 1 other files: 1 .csv\)"),
        (tmp_path / "nowhere", "does not exist"),
    ):
        with pytest.raises(Unfit, match=words) as caught:
            open_source(data)
        assert "\n" not in str(caught.value) and caught.value.exit_code == 2


def test_links_out_of_the_folder_are_named_not_followed(tmp_path: Path) -> None:
    folder(tmp_path, {"outside/secret.png": png(9), "in/a.png": png(1)})
    inside = tmp_path / "in"
    os.symlink(tmp_path / "outside/secret.png", inside / "b.png")
    os.symlink(tmp_path / "outside", inside / "c")
    os.symlink(inside, inside / "d")
    os.symlink(inside / "a.png", inside / "e.png")
    os.symlink(inside / "gone.png", inside / "f.png")
    source = open_source(inside)
    assert [source.names[i] for i in source.ids] == ["a.png", "e.png"]
    assert {s.name: s.reason.split()[-1] for s in source.skipped} == {
        "b.png": "folder", "c": "folder", "d": "itself", "f.png": "nothing",
    }  # fmt: skip


def test_unreadable_names_and_pipes_do_not_stop_it(tmp_path: Path) -> None:
    folder(tmp_path, {"ok.png": png()})
    with open(os.fsencode(tmp_path) + b"/bad\xff.png", "wb") as file:
        file.write(b"x")
    os.mkfifo(tmp_path / "pipe.png")
    source = open_source(tmp_path)
    assert len(source.ids) == 1 and len(source.skipped) == 1
    "\n".join(source.messages).encode("utf-8")


def test_class_folders_are_labels_only_when_asked(tmp_path: Path) -> None:
    folder(tmp_path, {"cat/x/1.png": png(1), "dog/2.png": png(2), "3.png": png(3)})
    assert open_source(tmp_path).labels is None
    source = open_source(tmp_path, labels="folder", same="folder")
    assert source.classes == ("cat", "dog")
    assert dict(zip(source.names, source.labels.tolist())) == {"3.png": -1, "cat/x/1.png": 0, "dog/2.png": 1}
    assert len(set(source.groups.tolist())) == 3
    with pytest.raises(Unfit, match="folder"):
        open_source(tmp_path, labels="species")
    with pytest.raises(Unfit, match="lie in no folders"):
        open_source(tmp_path / "cat" / "x", labels="folder")


def test_split_folders(tmp_path: Path) -> None:
    folder(tmp_path, {"train/cat/1.png": png(1), "test/cat/2.png": png(2), "train/dog/3.png": png(3)})
    source = open_source(tmp_path, labels="folder")
    assert source.classes == ("cat", "dog") and sorted(source.splits) == ["test", "train"]
    assert any("all taken" in line for line in source.messages)
    test = open_source(tmp_path, split="test")
    assert [test.names[i] for i in test.ids] == ["test/cat/2.png"] and len(test) == 3
    assert source.split("test").ids.tolist() == test.ids.tolist()
    with pytest.raises(Unfit, match="'dev'"):
        open_source(tmp_path, split="dev")


def test_channels_are_grey_only_when_all_are(tmp_path: Path) -> None:
    grey, colour = (
        folder(tmp_path / "g", {"a.png": png(1, 1), "b.png": png(2, 1)}),
        folder(tmp_path / "c", {"a.png": png(1, 1), "b.png": png(2, 3)}),
    )
    assert open_source(grey).channels == 1 and open_source(grey).images([0, 1]).shape == (2, 1, 12, 10)
    mixed = open_source(colour)
    assert mixed.channels == 3 and "1 grey ones repeated" in mixed.messages[-1]
    assert open_source(colour, channels=1).images([0, 1]).shape == (2, 1, 12, 10)
    with pytest.raises(Unfit, match="channels"):
        open_source(colour, channels=2)


def test_mixed_depths_take_the_commoner_and_say_so(tmp_path: Path) -> None:
    deep = np.random.default_rng(0).integers(0, 65536, (12, 10, 3)).astype(np.uint16)
    folder(tmp_path, {"a.png": deep_png(deep), "b.png": deep_png(deep), "c.png": png(1)})
    source = open_source(tmp_path)
    assert source.bits == 16 and source.images([0]).dtype == torch.uint16
    assert "1 8-bit ones rescaled" in source.messages[-1]
    assert np.array_equal(source.images([2]).numpy()[0] // 257, pixels(seed=1).transpose(2, 0, 1))


def test_a_sample_of_cifar(tmp_path: Path, data: Path) -> None:
    source = open_source(data / "cifar10/sample", labels="folder")
    assert len(source.ids) == 200 and source.size == (32, 32) and len(source.classes) == 10
    assert np.bincount(source.labels).tolist() == [20] * 10
