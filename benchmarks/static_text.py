"""Word vectors for laptops: `static` on NLI triplets and span crops, beside TF-IDF and the small transformer.

    python benchmarks/static_text.py DATA [--minutes 4] [--seed 0] [--sentences 40000]

DATA holds nli/, sentences/ and sts/. First span crops of sentences/train.parquet, then from there the triplets
of nli/snli-sample.parquet. Wanted: STS-B dev above TF-IDF, and at least 10 times the sentences a second of the small
transformer when embedding.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

from pyarrow import parquet

import kontrast
from kept import add
from kontrast.data.open import open_source
from kontrast.encoders.text.open import text_encoder
from kontrast.evaluate.sentences import tf_idf
from kontrast.evaluate.sts import sts
from kontrast.modalities.texts.model import TextModel


def speed(embed: Any, texts: list[str]) -> float:
    """Sentences a second, the median of three."""
    embed(texts[:256])
    taken = []
    for _ in range(3):
        began = time.perf_counter()
        embed(texts)
        taken.append(time.perf_counter() - began)
    return len(texts) / sorted(taken)[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--minutes", type=float, default=4.0)
    parser.add_argument("--sentences", type=int, default=40_000)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    said = parser.parse_args()
    dev = open_source(said.data / "sts/stsb.parquet", split="dev")
    texts = [text for role in ("first", "second") for text in dev.texts(dev.ids, role)]
    row: dict[str, Any] = {"seed": said.seed, "tf_idf": round(sts(tf_idf(texts), dev), 4)}
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        some = Path(folder) / "sentences.parquet"
        parquet.write_table(
            parquet.read_table(said.data / "sentences/train.parquet", columns=["sentence"])[: said.sentences], some
        )
        common = {"method": "simcse", "validate": "none", "seed": said.seed, "max_minutes": said.minutes / 2}
        crops = kontrast.train(some, encoder="static", views="crop", epochs=1, batch_size=256, lr=2e-3,
                               out=str(Path(folder) / "crops"), **common)  # fmt: skip
        row["crops_alone"] = round(sts(crops.model.embed_text, dev), 4)
        run = kontrast.train(said.data / "nli/snli-sample.parquet", weights_from=crops.path, encoder="static", lr=5e-3,
                             epochs=said.epochs, batch_size=128, out=str(Path(folder) / "nli"), **common)  # fmt: skip
    row["static"] = round(sts(run.model.embed_text, dev), 4)
    row["train_seconds"] = round(time.monotonic() - began, 1)
    row["static_per_second"] = round(speed(run.model.embed_text, texts))
    small = TextModel(text_encoder("small", texts=texts, seed=said.seed).eval())
    row["small_per_second"] = round(speed(small.embed_text, texts))
    add("static_text", row)


if __name__ == "__main__":
    main()
