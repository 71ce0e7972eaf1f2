"""Rules stay within the data, and no number departs from the paper in silence."""

import pytest

from kontrast import methods
from kontrast.recipes.resolve import PUBLISHED, planned
from kontrast.recipes.rules import Facts
from kontrast.settings import Settings, pairs

PICTURES = [name for name, known in methods.METHODS.items() if known.kind == "images"]


DATA = {
    "digits": Facts(1_437, 8, 1, False, False),
    "tiny": Facts(40, 32, 3, False, False),
    "cifar10": Facts(50_000, 32, 3, False, False),
    "imagenet": Facts(1_281_167, 224, 3, True, True),
}


every_method = pytest.mark.parametrize("name", PICTURES)


@every_method
@pytest.mark.parametrize("data", DATA)
def test_rules_stay_within_the_data(name, data):
    facts = DATA[data]
    plan = planned(Settings(method=name), facts)
    config = vars(plan.config)
    assert plan.settings.batch_size <= facts.n and plan.settings.warmup <= plan.settings.epochs
    assert config.get("queue", 0) < facts.n
    assert 0 <= config.get("momentum", 0.9) < 1
    steps = max(1, facts.n // plan.settings.batch_size) * plan.settings.epochs
    assert config.get("frozen", 0) <= max(1, steps // 5)
    assert all(choice.reason for choice in plan.choices)


@every_method
@pytest.mark.parametrize("data", DATA)
def test_no_number_of_a_method_departs_from_the_paper_in_silence(name, data):
    plan = planned(Settings(method=name), DATA[data])
    paper = PUBLISHED[name][plan.recipe.split(", ")[1]]()
    published = vars(methods.configured(name, pairs(paper.set, "recipe")))
    told = {choice.name for choice in plan.choices}
    assert {field for field, value in vars(plan.config).items() if value != published[field]} <= told


def test_barlow_twins_weight_follows_the_width():
    def plan(data, **said):
        return planned(Settings(method="barlow-twins", **said), DATA[data]).config

    assert plan("cifar10").width == 512 and plan("cifar10").off_diagonal_weight == 0.0204  # 0.0051 x 2,048 / 512
    assert plan("imagenet").off_diagonal_weight == 0.0816  # 0.0051 x 8,192 / 512
    assert plan("cifar10", set=["width=2048"]).off_diagonal_weight == 0.0051
    assert plan("cifar10", set=["off_diagonal_weight=0.3"]).off_diagonal_weight == 0.3
