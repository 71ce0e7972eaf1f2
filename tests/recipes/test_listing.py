"""What `kontrast methods` prints names every method, number and source."""

import pytest

from kontrast import methods
from kontrast.recipes.listing import about, listed
from kontrast.recipes.resolve import PUBLISHED


def test_every_method_has_a_line():
    lines = listed().splitlines()
    assert [line.split()[0] for line in lines[: len(methods.METHODS)]] == list(methods.METHODS)


@pytest.mark.parametrize("name", methods.METHODS)
def test_a_page_has_card_numbers_recipes_and_sources(name):
    page = about(name)
    assert page.startswith(methods.card(name))
    assert all(field in page for field, _, _ in methods.numbers(name))
    for recipe, made in PUBLISHED[name].items():
        assert f"recipe {recipe}: " in page and f"lr={made().lr}".rstrip("0") in page.replace("e-0", "e-")
    assert "arXiv" in page.partition("\nsources\n")[2]
