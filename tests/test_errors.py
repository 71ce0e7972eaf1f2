"""Other people's names never move a terminal, and letters of any language stay as they are."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kontrast.errors import Failed, Unfit, shown

ANYTHING = st.text(alphabet=st.characters(codec=None, categories=None), max_size=40)


@given(ANYTHING)
def test_what_is_shown_is_one_line_of_printable_letters(text: str) -> None:
    seen = shown(text)
    assert not any(unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp") for letter in seen)
    assert "\x1b" not in seen and len(seen.splitlines()) <= 1
    seen.encode()
    assert shown(seen) == seen
    for error in (Unfit, Failed):
        assert str(error(text)) == seen


@given(st.text(alphabet=st.characters(categories=["L", "N", "P", "S", "Zs", "M"]), max_size=40))
def test_letters_stay(text: str) -> None:
    assert shown(text) == text


@given(st.binary(max_size=20))
def test_bytes_that_are_no_text_stand_as_bytes(raw: bytes) -> None:
    name = raw.decode("utf-8", "surrogateescape")
    for letter in name:
        if "\udc80" <= letter <= "\udcff":
            assert f"\\x{ord(letter) - 0xDC00:02x}" in shown(name)


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("caf\udce9.png", r"caf\xe9.png"),
        ("\x1b[31mred\n", r"\x1b[31mred\n"),
        ("\x9b1m", r"\x9b1m"),
        ("a\u202eb", r"a\u202eb"),
        ("👩‍🔬 é 漢　字", "👩‍🔬 é 漢　字"),
        ("a\\b", "a\\b"),
        ("\ud83d", r"\ud83d"),
    ],
)
def test_by_example(text: str, seen: str) -> None:
    assert shown(text) == seen
    assert shown("a\nb\x1b", keep="\n") == "a\nb\\x1b"
