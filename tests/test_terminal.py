"""Words beside a run: plain lines when piped, folded under their text on a terminal."""

import os
import shutil

from kontrast.terminal import Progress, folded

ROW = {"loss": 1.5, "guessing": 2.25, "retrieval_at_1": 0.5, "retrieval_chance": 0.004}


def test_piped_it_says_the_first_and_the_last_step_and_only_losses(capsys):
    with Progress() as progress:
        for step in range(1, 6):
            progress.show({"step": step, **ROW}, 5)
        progress.show({"step": 5, "held_out_loss": 1.0}, 5)
        progress.say("a sentence")
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 3 and said[0] == "step 1/5  loss 1.500 (guessing 2.25)  retrieval 50% (chance 0.4%)"
    assert said[1].startswith("step 5/5") and said[1].endswith("s left") and said[2] == "a sentence"


def test_long_lines_are_broken_between_words_and_stand_under_their_text(monkeypatch):
    monkeypatch.setattr(shutil, "get_terminal_size", lambda: os.terminal_size((30, 20)))
    lines = folded(
        "data     one two three four five six seven eight\n   indented words that go on and on and on"
    ).split("\n")
    assert max(map(len, lines)) <= 30
    assert lines[1].startswith(" " * 9) and lines[1][9] != " "
    assert lines[-1].startswith("   ") and lines[-1][3] != " "
    assert " ".join(" ".join(lines).split()).startswith("data one two three")
    assert folded("") == ""
