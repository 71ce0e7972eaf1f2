"""Names of the parts that data come in, however they are written."""

from kontrast.data.splits import canonical, chosen, looks_like_one


def test_kin_are_one_and_others_stay_as_they_are():
    assert [canonical(name) for name in ("TRAIN", "training", " Test ", "testing", "Val", "fold_3", "Other")] == [
        "train", "train", "test", "test", "val", "fold_3", "Other",
    ]  # fmt: skip


def test_the_asked_one_wins_as_written():
    assert chosen("Training", ["train", "dev"]) == "train" and chosen("Training", ["Training", "train"]) == "Training"
    assert chosen("test", ["train"]) is None


def test_folders_that_were_meant_as_splits():
    assert all(map(looks_like_one, ("train", "Test2017", "val_images", "validation set", "evaluation")))
    assert not any(map(looks_like_one, ("trains", "cats", "contest", "latest", "value")))
