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


@pytest.fixture
def folders(tmp_path):
    """A picture encoder, a sentence model and a language model: rules look at no more than that they are folders."""
    for name in ("pictures", "sentences", "language"):
        (tmp_path / name).mkdir()
    (tmp_path / "sentences" / "modules.json").write_text("[]")
    return tmp_path


def test_two_trained_towers_stand_still_where_pairs_are_few(folders):
    pictures, words = str(folders / "pictures"), f"text={folders / 'sentences'}"

    def plan(n, *more, **facts):
        asked = Settings(method="clip", encoder=pictures, set=[*([words] if facts else []), *more])
        return planned(asked, Facts(n, 224, 3, False, False, **facts))

    known = {"weights": (pictures, 224)}
    few = plan(1_000, **known)
    assert few.config.lock == "image text" and few.config.looks and few.config.drop == 0.5
    assert any(choice.name == "lock" and "1,000 pairs are few" in choice.reason for choice in few.choices)
    many = plan(60_000, **known)
    assert (many.config.lock, many.config.looks, many.settings.lr) == ("", 0, 1e-4)
    own = plan(1_000, "lock=text", **known)
    assert (own.config.lock, own.config.looks, own.settings.lr) == ("text", 0, 1e-4)
    assert plan(1_000).config.lock == "" and plan(1_000).settings.lr == 2e-3  # no second trained tower
    assert plan(40, **known).settings.batch_size <= 40


@pytest.mark.parametrize("partners, rate", [(True, 1e-5), (False, 1e-6)])
def test_a_sentence_model_is_moved_more_gently_than_a_language_model(folders, partners, rate):
    def plan(name):
        asked = Settings(method="simcse", encoder=str(folders / name))
        return planned(asked, Facts(5_000, 0, 0, False, False, partners, held_out=500))

    gentle, published = plan("sentences"), plan("language")
    assert gentle.settings.lr == rate < published.settings.lr and gentle.settings.epochs == 1
    reason = next(choice.reason for choice in gentle.choices if choice.name == "lr")
    assert ("TSDAE" in reason) is not partners
    assert (gentle.settings.evaluate_every is not None) is partners and published.settings.evaluate_every is None
