"""Faults that were planted are found, and what was not planted is not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.check.planted import Planted, planted, png, scene

from kontrast.check import expected, findings
from kontrast.check import pictures as looks
from kontrast.data.open import open_source
from kontrast.data.sampler import Sampler
from kontrast.settings import Settings


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Planted:
    return planted(tmp_path_factory.mktemp("planted") / "data")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KONTRAST_CACHE", str(tmp_path / "cache"))


def find(data: object, against: object = None, line: float | None = None) -> findings.Findings:
    source = findings.opened(data, Settings())
    return findings.find(source, None if against is None else findings.opened(against, Settings()), line, None)


def test_all_that_is_broken_and_odd_is_named(made: Planted) -> None:
    found = find(str(made.folder))
    names = found.source.names
    assert {names[i] for i in found.broken} == made.broken and all(found.broken.values())
    told = findings.numbers(found)
    assert set(told["dark"]) == made.dark and set(told["one_colour"]) == made.flat
    assert set(told["blurred"]) == made.blurred
    assert told["usable"] == told["samples"] - len(made.broken) and sum(told["sizes"].values()) == told["usable"]
    assert any("broken" in why for why in found.unfit())


def test_copies_are_found_and_others_are_not(made: Planted) -> None:
    found = find(str(made.folder))
    names = found.source.names
    assert {frozenset(names[i] for i in group) for group in found.exact} == made.exact
    pairs = {
        frozenset((names[found.ids[a]], names[found.ids[b]])) for a, b in zip(found.nearly.first, found.nearly.second)
    }
    assert len(pairs & made.nearly) >= 0.95 * len(made.nearly)
    assert len(pairs - made.nearly - made.exact) <= 0.01 * len(pairs)
    assert sum(len(group) - 1 for group in found.repeats()) >= len(made.exact) + 0.95 * len(made.nearly)


def test_thresholds_move_without_another_look(made: Planted, monkeypatch: pytest.MonkeyPatch) -> None:
    first = find(str(made.folder))
    monkeypatch.setattr(looks, "_looked", lambda source: pytest.fail("looked again"))
    monkeypatch.setattr(findings.near, "of_vectors", lambda *words: pytest.fail("compared again"))
    strict, same = find(str(made.folder), line=0.99), find(str(made.folder))
    assert len(strict.nearly) < len(first.nearly) == len(same.nearly)
    assert findings.numbers(same) == findings.numbers(first)


def test_a_changed_file_is_looked_at_again(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    for i in range(6):
        (tmp_path / "data" / f"{i}.png").write_bytes(png(scene(i)))
    assert not find(str(tmp_path / "data")).broken
    content = (tmp_path / "data" / "3.png").read_bytes()
    (tmp_path / "data" / "3.png").write_bytes(content[:-500] + bytes(500))
    assert list(find(str(tmp_path / "data")).broken) == [3]


def test_what_leaks_is_counted_exactly(made: Planted, tmp_path: Path) -> None:
    other = tmp_path / "test"
    other.mkdir()
    for i in range(20):
        (other / f"{i}.png").write_bytes(png(scene(70 + i) if i < 7 else scene(5_000 + i)))
    (other / "again.jpg").write_bytes(png(scene(100), "JPEG", quality=85))
    found = find(str(made.folder), str(other))
    assert len(found.leaks["exact"]) == 7 and len(found.leaks["near"]) == 1
    assert any("7 samples of the other data" in why for why in found.unfit())


def test_false_negatives_are_those_of_real_batches(made: Planted) -> None:
    found = find(str(made.folder))
    group = dict(zip(found.ids.tolist(), found.group_M.tolist()))
    sampler = Sampler(found.ids, 32, 5, 1)
    pairs, rows, steps = 0, 0, 600
    for step in range(steps):
        _, many = np.unique([group[i] for i in sampler.whole(step).tolist()], return_counts=True)
        pairs, rows = pairs + int((many * (many - 1) // 2).sum()), rows + int(many[many > 1].sum())
    assert expected.pairs(found.group_M, 32) == pytest.approx(pairs / steps, rel=0.1)
    assert expected.rows(found.group_M, 32) == pytest.approx(rows / steps, rel=0.1)


def test_sentences(tmp_path: Path) -> None:
    words = np.array([a + b + "ing" for a in "bcdfghjklmnpqrst" for b in ("at", "ol", "ur", "em", "ix") * 4])
    draw = np.random.default_rng(0)
    base = [" ".join(draw.choice(words, 20)) for _ in range(200)]
    again = [text.replace(text.split()[3], "another", 1) for text in base[:40]]
    same = [text.upper() + "!" for text in base[50:55]]
    file = tmp_path / "lines.txt"
    file.write_text("\n".join([*base, *again, *same, "alone", " ".join(["word"] * 90)]))
    found = find(str(file))
    told = findings.numbers(found)
    pairs = {(int(a), int(b)) for a, b in zip(found.nearly.first, found.nearly.second)}
    assert len(pairs & {(i, 200 + i) for i in range(40)}) >= 38 and len(pairs) <= 40
    assert told["exact_repeats"] == 5 and told["one_word"] == 1 and told["over_77_tokens"] == 1
    other = tmp_path / "other.txt"
    other.write_text("\n".join([base[7], base[9] + "...", "nothing of this is there at all"]))
    assert find(str(file), str(other)).leaks["exact"] == [0, 1]


def test_what_holds_nothing_that_is_wrong_is_fit() -> None:
    found = find(open_source(np.stack([np.asarray(scene(i)) for i in range(30)])))
    assert found.unfit() == [] and not found.exact and not len(found.nearly)
