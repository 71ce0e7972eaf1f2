"""Module paths that the docs once named lead to the same modules under their new names."""

from importlib import import_module

import pytest

from kontrast.moved import MOVED


@pytest.mark.parametrize("old", MOVED)
def test_an_old_path_is_the_new_module(old):
    new = import_module(MOVED[old])
    assert import_module(old) is new and new.__spec__ is not None and new.__spec__.name == MOVED[old]


def test_what_was_there_is_found_by_its_old_name():
    from kontrast.explore.search import search
    from kontrast.model import Model, load  # noqa: F401
    from kontrast.negatives.across import gather_rows  # noqa: F401
    from kontrast.pair_model import mixed  # noqa: F401

    assert callable(search)


def test_unknown_paths_stay_unknown():
    with pytest.raises(ModuleNotFoundError, match="no_such_module"):
        import_module("kontrast.no_such_module")
