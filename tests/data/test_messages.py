"""What is said about pictures: what they are, and what to do where reading them takes the time."""

from tests.data.hostile import folder, png

from kontrast.data.messages import advice, described, shown, where_kept
from kontrast.data.open import open_source


def test_advice_is_a_function_of_what_was_measured(tmp_path):
    source = open_source(folder(tmp_path / "d", {f"{i}.png": png(i, height=16, width=16) for i in range(4)}))
    later = open_source(tmp_path / "d", memory=100)
    assert advice(0.05, source.pictures, 0, 8) == ""
    assert "62%" in advice(0.62, later.pictures, 2, 8) and "--workers 8" in advice(0.62, later.pictures, 2, 8)
    assert "smaller" in advice(0.62, later.pictures, 8, 8)
    assert "in memory" in advice(0.62, source.pictures, 0, 8)


def test_pictures_are_described_in_a_line():
    alike = described({(7, 9): 12}, grey=0, channels=3, depths={8: 12}, bits=8)
    assert alike == ["12 pictures, all 9 x 7, RGB, 8-bit"]
    unlike = described({(7, 9): 2, (30, 20): 1}, grey=1, channels=3, depths={8: 1, 16: 2}, bits=16)
    assert unlike == ["3 pictures, 2 sizes, shorter side 7 to 20, RGB (1 grey ones repeated to three channels), 16-bit"
                      " (1 8-bit ones rescaled)"]  # fmt: skip
    assert where_kept(False, 1) == [] and "more than 2 GiB" in where_kept(True, 2 << 30)[0]


def test_any_name_can_be_printed():
    assert shown("caf\u00e9.png") == "caf\u00e9.png" and shown("a\udcff.png").isprintable()
