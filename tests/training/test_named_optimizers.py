"""What a recipe writes in one word about its rate and its optimizer is what runs."""

import pytest
import torch

from kontrast.errors import Unfit
from kontrast.methods.method import Group
from kontrast.recipes.resolve import PUBLISHED, planned
from kontrast.recipes.rules import Facts
from kontrast.settings import Settings, checked
from kontrast.training import optimizers, schedules

CIFAR = Facts(50_000, 32, 3, False, False)


def made(words):
    return optimizers.named([Group([torch.nn.Parameter(torch.ones(2))])], words, lr=0.1, weight_decay=0.0)


def test_a_schedule_in_one_word():
    swav = schedules.named("cosine:start=0.0625,end=0.001", 100, warmup=10, per_epoch=10)
    wanted = schedules.cosine(100, warmup=10, start=0.0625, end=0.001)
    assert [swav(step) for step in range(100)] == [wanted(step) for step in range(100)]
    assert [schedules.named("cosine:epoch", 100, warmup=0, per_epoch=10)(step) for step in (10, 19)] == [
        schedules.cosine(100)(10)
    ] * 2
    assert schedules.named("falls", 100, warmup=0, per_epoch=10)(60) == pytest.approx(0.1)
    assert schedules.named("linear", 100, warmup=0, per_epoch=10)(50) == 0.5


def test_an_optimizer_in_one_word():
    lars = made("lars:apex,clip,trust=0.02")
    assert (lars.variant, lars.clip, lars.trust) == ("apex", True, 0.02)
    assert made("lars:byol").variant == "byol"
    adam = made("adamw:beta2=0.98,eps=1e-6").param_groups[0]
    assert (adam["betas"], adam["eps"]) == ((0.9, 0.98), 1e-6)
    assert made("sgd:nesterov").param_groups[0]["nesterov"] is True


@pytest.mark.parametrize(
    "settings,said",
    [
        ({"optimizer": "lars:apx"}, "no option 'apx'; it takes simclr, byol, apex"),
        ({"optimizer": "adamw:beta2=big"}, "beta2 needs a number"),
        ({"schedule": "cosin"}, "did you mean 'cosine'"),
        ({"schedule": "cosine:end"}, "no option 'end'"),
    ],
)
def test_a_misspelt_option_is_named(settings, said):
    with pytest.raises(Unfit, match=said):
        checked(Settings(**settings))


@pytest.mark.parametrize("name", PUBLISHED)
def test_every_recipe_names_a_schedule_and_an_optimizer_that_exist(name):
    for recipe in PUBLISHED[name].values():
        published = checked(recipe())
        assert schedules.named(published.schedule, 200, warmup=10, per_epoch=2)(0) <= 1
        assert made(published.optimizer).param_groups


def test_muon_has_a_rate_of_its_own():
    plan = planned(Settings(method="byol", optimizer="muon:momentum=0.9"), CIFAR)
    assert (plan.settings.lr, plan.settings.schedule) == (1e-2, "cosine")
    assert all("AdamW" not in choice.reason for choice in plan.choices)


def test_the_published_optimizer_brings_its_form_and_schedule():
    plan = planned(Settings(method="swav", optimizer="adamw"), CIFAR).settings
    assert (plan.schedule, plan.zero_init) == ("cosine", False)
    plan = planned(Settings(method="barlow-twins", optimizer="lars"), Facts(1_281_167, 224, 3, True, True)).settings
    assert (plan.optimizer, plan.schedule, plan.zero_init) == ("lars:byol", "cosine:end=0.001", True)
    assert plan.lr == pytest.approx(1.6 * plan.batch_size / 2048) and plan.weight_decay == 1e-6
    plan = planned(Settings(method="moco", optimizer="sgd", schedule="linear"), CIFAR).settings
    assert (plan.optimizer, plan.schedule) == ("sgd", "linear")
    assert planned(Settings(method="simcse", encoder="x"), CIFAR).settings.schedule == "linear"
