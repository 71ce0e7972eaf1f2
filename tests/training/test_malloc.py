"""Freed memory stays with the process, where the C library can be asked."""

import ctypes
import sys

import pytest

from kontrast.training import malloc


@pytest.mark.skipif(sys.platform != "linux", reason="glibc is Linux's")
def test_the_c_library_hears_every_option(monkeypatch):
    asked = []

    class Library:
        @staticmethod
        def mallopt(name, value):
            asked.append((name, value))
            return 1

    monkeypatch.setattr(ctypes, "CDLL", lambda _: Library)
    assert malloc.kept()
    assert dict(asked) == {malloc.MMAP_MAX: 0, malloc.TRIM_THRESHOLD: -1, malloc.TOP_PAD: 256 << 20}


def test_where_it_cannot_be_asked_nothing_happens(monkeypatch):
    monkeypatch.setattr(ctypes, "CDLL", lambda _: object())
    assert not malloc.kept()
    monkeypatch.setattr(sys, "platform", "darwin")
    assert not malloc.kept()
