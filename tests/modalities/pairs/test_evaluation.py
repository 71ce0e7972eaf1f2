"""`kontrast evaluate` of two towers: zero-shot, retrieval, labels."""

import pytest

from kontrast.commands.evaluate import evaluate as evaluate_words
from kontrast.errors import Unfit

pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed")


pytest.importorskip("tokenizers", reason="tokenizers is not installed")


def test_the_evaluation_is_that_of_the_command_line_too(run, data):
    from kontrast.commands.evaluate import evaluate as from_words

    made, _ = run
    result, lines = from_words(made.path, data, labels="colour")
    assert result["learned"]["zero_shot_top1"] >= 0.75 and "random" in lines[0]


def test_zero_shot_takes_names_in_any_order_and_needs_no_captions(run, data, tmp_path):
    made, _ = run
    wanted = evaluate_words(made.path, data, protocols=["zero_shot"], classes="colour")[0]["learned"]
    (tmp_path / "names.txt").write_text("white\nred\ngreen\nblue\npurple\n")
    (tmp_path / "templates.txt").write_text("a {} picture\nit is {}\n")
    how = {"labels": "colour", "classes": str(tmp_path / "names.txt"), "templates": str(tmp_path / "templates.txt")}
    result, lines = evaluate_words(made.path, data, protocols=["zero_shot"], **how)
    assert result["learned"]["zero_shot_top1"] >= 0.75 and wanted["zero_shot_top1"] >= 0.75
    assert result["about"]["chance"]["zero_shot_top1"] == 0.2 and "2 templates" in "\n".join(lines)
    assert "recall_at_1" not in result["learned"]
    both = evaluate_words(made.path, data, protocols=["knn", "retrieval"], labels="colour")[0]
    assert {"knn_top1", "recall_at_10"} <= both["learned"].keys() and {"knn_top1", "recall_at_1"} <= both["about"][
        "chance"
    ].keys()
    (tmp_path / "few.txt").write_text("white\nred\n")
    with pytest.raises(Unfit, match="has the class 'blue'"):
        evaluate_words(made.path, data, labels="colour", classes=str(tmp_path / "few.txt"))
    with pytest.raises(Unfit, match=r"'zero_shot' does not fit: .* has no labels"):
        evaluate_words(made.path, data, protocols=["zero_shot"])
