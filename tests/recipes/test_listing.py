"""What `kontrast methods` prints names every method, number and source."""

import re

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
    rates = {float(rate) for rate in re.findall(r"\blr=([\d.e-]+),", page)}
    assert rates == {made().lr for made in PUBLISHED[name].values()}
    assert all(f"recipe {recipe}: " in page for recipe in PUBLISHED[name])
    assert "arXiv" in page.partition("\nsources\n")[2]
