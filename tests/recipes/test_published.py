"""Published settings are found by the method's name, complete, and the wanted one is taken where there is one."""

import pytest

from kontrast import methods
from kontrast.recipes import published
from kontrast.settings import Settings


@pytest.mark.parametrize("name", methods.METHODS)
def test_each_of_ours_has_recipes_of_its_own(name):
    found = published.of(name, methods.entry(name))
    assert found.stands_in == "" and len(found.recipes) >= 2
    for recipe, made in found.recipes.items():
        settings = made()
        assert isinstance(settings, Settings) and settings.method == name
        assert found.recipe(recipe) == (recipe, settings)
    first = next(iter(found.recipes))
    assert found.recipe("no such recipe")[0] == first
