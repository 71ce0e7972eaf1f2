"""Made-up rows a, b, label of pictures and of sentences, which nobody tells apart without learning."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from kontrast import keyed

SIDE, PICTURES, ROWS = 10, 60, 200


WORDS = "sun moon star rain snow wind leaf root seed bird fish wolf bread salt milk stone iron gold boat road".split()  # noqa: SIM905


QUICK = {"epochs": 3, "batch_size": 20, "threads": 1, "device": "cpu", "say": lambda _: None}


PICTURED = {**QUICK, "method": "simclr", "encoder": "small", "views": "none", "epochs": 6}


WORDED = {**QUICK, "method": "simcse", "encoder": "static", "epochs": 6}


def drawn(below: int, *key: keyed.Key) -> int:
    return int(keyed.below(below, "rows", *key))


def picture(number: int) -> np.ndarray:
    """Noise with one bright side of four. Opposite sides are similar, which pixels do not say."""
    pixels = keyed.below(150, "pixels", number, np.arange(SIDE * SIDE)).reshape(SIDE, SIDE).astype(np.uint8)
    np.rot90(pixels, number % 4)[:3] += 100
    return pixels


def sentence(topic: int, half: int, row: int) -> str:
    """Six words of a half of a topic: the two of a row share none, so nobody knows without learning."""
    own = WORDS[5 * topic : 5 * topic + 5][half::2]
    return " ".join(own[n] for n in keyed.below(len(own), "words", half, row, np.arange(6)))


def written(folder: Path) -> Path:
    """pictures.csv, sentences.csv, and scores.csv from 0 to 5; every second row is similar."""
    for number in range(PICTURES):
        Image.fromarray(picture(number)).save(folder / f"{number:02}.png")
    rows, texts = [], []
    for row in range(ROWS):
        a, step = drawn(PICTURES, row), drawn(3, "step", row) + 1
        b = (a + 4 * drawn(PICTURES // 4, "b", row) + (2 if row % 2 else 1 + 2 * (step % 2))) % PICTURES
        rows.append(f"{a:02}.png,{b:02}.png,{row % 2}")
        topic = drawn(4, "topic", row)
        other = topic if row % 2 else (topic + step) % 4
        texts.append((sentence(topic, 0, row), sentence(other, 1, row), row % 2))
    (folder / "pictures.csv").write_text("\n".join(["a,b,label", *rows]))
    (folder / "sentences.csv").write_text(
        "\n".join(["sentence1,sentence2,label", *(f"{a},{b},{y}" for a, b, y in texts)])
    )
    (folder / "scores.csv").write_text(
        "\n".join(["sentence1,sentence2,score", *(f"{a},{b},{5 * y}" for a, b, y in texts)])
    )
    return folder
