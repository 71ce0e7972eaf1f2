"""Published recipes, what the user says, and what is refused."""

import inspect

import pytest
import yaml

from kontrast import methods
from kontrast.errors import Unfit
from kontrast.recipes.resolve import PUBLISHED, complete, from_file, planned
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
@pytest.mark.parametrize("which", ["imagenet", "cifar10"])
def test_a_published_recipe_is_complete_and_every_number_has_its_source(name, which):
    made = PUBLISHED[name][which]
    recipe = made()
    assert recipe.method == name
    for field in (
        "encoder",
        "image_size",
        "views",
        "batch_size",
        "epochs",
        "optimizer",
        "lr",
        "weight_decay",
        "warmup",
    ):
        assert getattr(recipe, field) is not None, field
    methods.configured(name, pairs(recipe.set, "recipe"))
    lines = [line for line in inspect.getsource(made).splitlines() if "=" in line and "def " not in line]
    bare = [line for line in lines if "#" not in line and not any(w in line for w in ("method=", "image_size=32"))]
    assert not bare


@every_method
def test_what_was_said_wins_over_every_rule(name):
    fields = [field for field, _, _ in methods.numbers(name)]
    plan = planned(Settings(method=name, epochs=3, lr=0.5, set=[f"{fields[0]}=64"]), DATA["digits"])
    assert plan.settings.epochs == 3 and plan.settings.lr == 0.5 and getattr(plan.config, fields[0]) == 64
    assert plan.settings.warmup <= 3


@pytest.mark.parametrize(
    "name, word, expected",
    [
        ("barlow-twins", "width=abc", "a whole number from 1"),
        ("barlow-twins", "width=0", "a whole number from 1"),
        ("barlow-twins", "off_diagonal_weight=much", "a number"),
        ("moco", "head_norm=2", "true or false"),
        ("moco", "queue=true", "a whole number"),
        ("moco", "queue=1e3", "a whole number"),
        ("clip", "lock=3", "a word"),
    ],
)
def test_a_number_of_another_kind_is_refused_in_a_sentence(name, word, expected):
    with pytest.raises(Unfit, match=f"--set {word.split('=')[0]}=.*expected {expected}"):
        planned(Settings(method=name, set=[word]), DATA["digits"])


def test_what_the_maths_does_not_allow_is_refused():
    for name in ("byol", "barlow-twins", "swav"):
        with pytest.raises(Unfit, match=f"--negatives means nothing to {name}"):
            planned(Settings(method=name, negatives="queue:64"), DATA["digits"])
    with pytest.raises(Unfit, match="1,437 samples"):
        planned(Settings(method="simclr", negatives="queue:4096"), DATA["digits"])
    with pytest.raises(Unfit, match="1,437 samples"):
        planned(Settings(method="moco", set=["queue=1437"]), DATA["digits"])
    with pytest.raises(Unfit, match="bn_groups=8 needs two rows a group; the batch has 8"):
        planned(Settings(method="moco", batch_size=8, set=["bn_groups=8"]), DATA["digits"])
    assert planned(Settings(method="moco", batch_size=8), DATA["digits"]).config.bn_groups == 1
    with pytest.raises(Unfit, match="known are"):
        planned(Settings(method="simclr", negatives="heap:4"), DATA["digits"])


def test_any_contrastive_method_takes_any_negatives():
    for name in ("simclr", "moco", "moco-v2"):
        plan = planned(Settings(method=name, negatives="queue:512+mixed:16+reweighted:1"), DATA["digits"])
        assert plan.config.negatives == "queue:512+mixed:16+reweighted:1" == plan.settings.negatives


@pytest.mark.parametrize("name", methods.METHODS)
@pytest.mark.parametrize("side", [8, 32, 224])
def test_a_config_read_again_is_the_same_plan(tmp_path, name, side):
    """What a run writes down means the same when a resume reads it: a CLIP run went on with another Adam."""
    facts = Facts(9_000, side, 3, gpu=False, fast_bf16=False, partners=name == "simcse" and side == 8)
    first = planned(Settings(method=name, device="cpu", threads=1), facts)
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(complete(first, "data")))
    read = from_file(tmp_path / "config.yaml", "--config").settings
    again = planned(read.over(Settings(device="cpu", threads=1)), facts)
    assert again.config == first.config
    assert complete(again, "data") == complete(first, "data")
