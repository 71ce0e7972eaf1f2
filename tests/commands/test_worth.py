"""The table of `kontrast worth`."""

from kontrast.commands.worth import lines


def test_the_table_names_every_way_with_its_range_and_cost_and_ends_with_the_answer():
    way = {"score": 0.56, "difference": 0.06, "range": [0.01, 0.1], "known": 0.95, "moves": 1_234, "seconds": 12.3}
    result = {
        "test": "neighbours of the same label", "items": 500, "chance": 0.1, "samples": 2_000, "best": "full",
        "frozen": {"score": 0.5, "range": [0.46, 0.54]}, "ways": {"head": way, "full": way},
        "curve": [{"samples": 1_000, "difference": 0.03, "range": [-0.01, 0.07]}], "answer": "Worth it.",
    }  # fmt: skip
    text = lines(result)
    assert text[-1] == "Worth it."
    assert sum("+1.0 to +10.0" in line and "1,234" in line for line in text) == 2
    assert any("full on 1,000 pictures: +3.0 (-1.0 to +7.0)" in line for line in text)
    assert any("frozen" in line and "50.0" in line and "46.0 to 54.0" in line for line in text)
