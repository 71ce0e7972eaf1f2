"""What is drawn of the visible part, what lies within a line, and which columns are colours."""

import numpy as np
import pyarrow as pa
import pytest

from kontrast import keyed
from kontrast.live_page.points import Points, classes_of

PLACES = keyed.normal("places", np.arange(4000)).reshape(2000, 2).astype(np.float32)


def test_few_rows_are_all_drawn_and_many_are_a_sample_that_grows_towards_the_eye():
    points = Points(PLACES)
    everything, count = points.seen(points.box)
    assert count == 2000 and sorted(everything.tolist()) == list(range(2000))
    far, count = points.seen(points.box, most=100)
    assert len(far) == 100 and count == 2000
    box = (-0.5, -0.5, 0.5, 0.5)
    near, count = points.seen(box, most=100)
    inside = (np.abs(PLACES) <= 0.5).all(axis=1)
    assert inside[near].all() and count == inside.sum() and len(near) == 100
    assert set(far[inside[far]].tolist()) <= set(near.tolist())  # nobody disappears who is still in view


def test_of_one_class_alone_is_drawn():
    only = np.arange(2000) % 5 == 0
    rows, count = Points(PLACES).seen((-9, -9, 9, 9), only)
    assert count == 400 and (rows % 5 == 0).all()


def test_a_line_chooses_all_rows_within_it_hollows_left_out():
    points = Points(PLACES)
    square = points.within([-1, 1, 1, -1], [-1, -1, 1, 1])
    assert square.tolist() == np.flatnonzero((np.abs(PLACES) < 1).all(axis=1)).tolist()
    turn = np.linspace(0, 2 * np.pi, 100)
    circle = points.within(np.cos(turn), np.sin(turn))
    radius = np.linalg.norm(PLACES, axis=1)
    assert set(np.flatnonzero(radius < 0.998)) <= set(circle.tolist()) <= set(np.flatnonzero(radius < 1))
    horseshoe = points.within([-1, 1, 1, 0.5, 0.5, -0.5, -0.5, -1], [-1, -1, 1, 1, -0.5, -0.5, 1, 1])
    hollow = (np.abs(PLACES[:, 0]) < 0.5) & (PLACES[:, 1] > -0.5)
    assert set(horseshoe.tolist()) == set(square.tolist()) - set(np.flatnonzero(hollow).tolist())
    assert len(points.within([-1, 1, 1, -1], [-1, -1, 1, 1], np.zeros(2000, bool))) == 0


@pytest.mark.parametrize("line", [([0, 1], [0, 1]), ([0, 1, np.nan], [0, 1, 0])])
def test_what_is_no_line_is_told(line):
    with pytest.raises(ValueError, match="three corners"):
        Points(PLACES).within(*line)


def test_colours_are_columns_of_few_values():
    found = classes_of(pa.chunked_array([["b", "a", None, "a"], ["10", "9", "a"]]))
    assert found.values == ["9", "10", "", "a", "b"] and [found.values[code] for code in found.codes[:4]] == [
        "b",
        "a",
        "",
        "a",
    ]
    assert found.counts(np.array([1, 3, 0])) == {3: 2, 4: 1} and found.sizes[3] == 3
    assert found.called(2) == "without" and found.called(-1) == "others"
    assert classes_of(pa.chunked_array([[str(n) for n in range(100)]])) is None
    assert classes_of(pa.chunked_array([["same"] * 9])) is None
    many = classes_of(pa.chunked_array([[str(n % 20) for n in range(400)] + [f"rare {n}" for n in range(30)]]))
    assert len(many.values) == 20 and (many.codes[400:] == -1).all()
