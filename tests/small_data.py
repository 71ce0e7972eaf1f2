"""96 small pictures, the same with captions, and 96 sentences: enough for every method."""

import numpy as np
from PIL import Image

from kontrast import keyed
from kontrast.methods import entry

WORDS = ["a red fox runs", "two old dogs sleep", "the war was lost", "she wrote a letter", "a small boat on the sea"]


def written(folder):
    """The data by kind, on disk."""
    (folder / "pictures").mkdir()
    pixels = keyed.below(256, "kills", np.arange(96 * 12 * 12 * 3)).reshape(96, 12, 12, 3).astype(np.uint8)
    sentences = [f"{WORDS[i % 5]} {WORDS[i // 5 % 5]} {i}" for i in range(96)]
    for i, picture in enumerate(pixels):
        Image.fromarray(picture).save(folder / "pictures" / f"{i:02d}.png")
    lines = [f"pictures/{i:02d}.png,{sentence}" for i, sentence in enumerate(sentences)]
    (folder / "pairs.csv").write_text("\n".join(["image,text", *lines]))
    (folder / "sentences.txt").write_text("\n".join(sentences))
    return {"images": folder / "pictures", "pairs": folder / "pairs.csv", "texts": folder / "sentences.txt"}


def of(method, data):
    """What a method reads."""
    return str(data[entry(method).kind])
