"""MoCo v2 is v1 with other views, temperature and schedule, and its symmetric demo differs in one word."""

from kontrast.recipes import moco, moco_v2


def differing(one, other):
    return {name for name, value in vars(one).items() if value != getattr(other, name)}


def test_what_v2_changed():
    assert differing(moco.imagenet(), moco_v2.imagenet()) == {"method", "views", "schedule", "temperature"}
    assert differing(moco.cifar10(), moco_v2.cifar10()) == {"method", "set"}
    assert set(moco_v2.cifar10().set) - set(moco.cifar10().set) == {"symmetric=true"}
