"""Names in one run of bytes are the names that went in."""

from __future__ import annotations

import os

import pytest

from kontrast.data.names import Names

WORDS = [b"a/1.png", b"a/b/2.png", b"", b"b\xff.png", "\N{LATIN SMALL LETTER E WITH ACUTE}.png".encode()]


def test_a_sequence_like_a_list_of_the_same_names() -> None:
    names, plain = Names.of(WORDS), [os.fsdecode(word) for word in WORDS]
    assert list(names) == plain and names == plain and names != plain[::-1] and names == Names.of(WORDS)
    assert [names[i] for i in range(-5, 5)] == plain + plain and names[1:3] == plain[1:3]
    assert plain[3] in names and names.index(plain[1]) == 1 and not Names.of([])
    with pytest.raises(IndexError):
        names[5]


def test_folders_by_depth() -> None:
    names = Names.of([b"a/b/1", b"a/c/2", b"a/3", b"4"])
    number_N, folders = names.folders()
    assert number_N.tolist() == [0, 0, 0, -1] and folders == ["a"]
    number_N, folders = names.folders(1)
    assert number_N.tolist() == [0, 1, -1, -1] and folders == ["b", "c"]
