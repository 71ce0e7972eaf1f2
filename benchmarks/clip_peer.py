"""CLIP beside open_clip: the same emoji, towers, first weights, batch, steps and rate; retrieval on held-out emoji.

    python benchmarks/clip_peer.py [--seeds 3] [--epochs 20] [--shown]

The peer is open_clip's own model, loss, optimizer groups and epoch (`open_clip_train.train.train_one_epoch`), fed with
pictures made ready by its own training transform. Ours is `kontrast.train` from the same folder of weights. Wanted:
recall not behind, paired by seed. One line a run goes to results/, and an interrupted program goes on. Needs
open_clip_torch and the extra `emoji`.
"""

from __future__ import annotations

import argparse
import logging
import statistics
import tempfile
import time
from argparse import Namespace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import open_clip
import torch
from open_clip_train.scheduler import cosine_lr
from open_clip_train.train import train_one_epoch
from PIL import Image
from safetensors.torch import save_file
from torch.utils.data import DataLoader

import kept
import kontrast
from kontrast.data.open import Source, open_source
from kontrast.encoders.clip import bpe
from kontrast.encoders.clip.towers import towers
from kontrast.evaluate.two_towers import evaluate
from kontrast.exchange import open_clip as folders
from kontrast.modalities.pairs.model import load_pairs

BATCH, LR, DECAY, WARM = 128, 1e-3, 0.1, 20  # steps of warm-up
SIDE, CONTEXT = 32, 16
SHAPE: dict[str, Any] = {
    "embed_dim": 96,
    "vision_cfg": {"image_size": SIDE, "layers": 3, "width": 96, "head_width": 32, "patch_size": 8},
    "text_cfg": {"context_length": CONTEXT, "width": 96, "heads": 3, "layers": 2},
}
SCORES = ("recall_at_1", "recall_at_10", "median_rank")


def first(folder: Path, source: Source, seed: int) -> None:
    """An open_clip folder with random towers and a vocabulary of the captions."""
    words = bpe.learned(source.texts(source.ids), context=CONTEXT)
    shape = SHAPE | {"text_cfg": SHAPE["text_cfg"] | {"vocab_size": words.inner.size, "hf_tokenizer_name": "."}}
    folders.write(folder, towers(shape, seed=seed), words, folders.MEAN, folders.STD)


def ours(begun: Path, source: Source, seed: int, epochs: int, out: Path) -> None:
    """`kontrast.train` with the numbers of the peer."""
    warm = WARM / (len(source.ids) // BATCH)
    kontrast.train(
        source, method="clip", weights_from=begun, out=str(out), epochs=epochs, batch_size=BATCH, lr=LR, warmup=warm,
        weight_decay=DECAY, optimizer="adamw:beta1=0.9,beta2=0.98,eps=1e-6", schedule="cosine", image_size=SIDE,
        validate="none", seed=seed, precision="fp32", say=lambda _: None,
    )  # fmt: skip


class Pairs(torch.utils.data.Dataset):
    """Pictures through open_clip's training transform, captions as ids."""

    def __init__(self, source: Source, transform: Any, ids_NT: torch.Tensor) -> None:
        self.pictures = [Image.fromarray(p.permute(1, 2, 0).numpy()) for p in source.images(source.ids)]
        self.transform, self.ids_NT = transform, ids_NT

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, i: int) -> tuple[torch.Tensor, torch.Tensor]:
        return self.transform(self.pictures[i]), self.ids_NT[i]


def peers(begun: Path, source: Source, seed: int, epochs: int, out: Path) -> None:
    """open_clip's model, loss, optimizer groups, schedule and epoch, as its main program puts them together."""
    torch.manual_seed(seed)
    model, transform, _ = open_clip.create_model_and_transforms(f"local-dir:{begun}", output_dict=True)
    words = load_pairs(begun).pairs.captions
    data = Pairs(source, transform, words(source.texts(source.ids), full=True))
    loader = DataLoader(data, BATCH, shuffle=True, drop_last=True)
    loader.num_batches, loader.num_samples = len(loader), len(loader) * BATCH
    flat = [(n, p) for n, p in model.named_parameters() if p.requires_grad]
    plain = [p for n, p in flat if p.ndim < 2 or "bn" in n or "ln" in n or "bias" in n or "logit_scale" in n]
    decayed = [p for _, p in flat if not any(p is other for other in plain)]
    optimizer = torch.optim.AdamW(
        [{"params": plain, "weight_decay": 0.0}, {"params": decayed, "weight_decay": DECAY}],
        lr=LR, betas=(0.9, 0.98), eps=1e-6,
    )  # fmt: skip
    schedule = cosine_lr(optimizer, LR, WARM, epochs * len(loader))
    args = Namespace(
        device="cpu", precision="fp32", accum_freq=1, distill=False, skip_scheduler=False, grad_clip_norm=None,
        rank=0, world_size=1, local_rank=0, log_local=False, horovod=False, distributed=False, batch_size=BATCH,
        log_every_n_steps=10_000, wandb=False,
    )  # fmt: skip
    logging.disable(logging.INFO)
    shuffled = {"train": SimpleNamespace(dataloader=loader, set_epoch=lambda epoch: None)}
    for epoch in range(epochs):
        train_one_epoch(model, shuffled, open_clip.ClipLoss(), epoch, optimizer, None, schedule, None, args)
    for file in begun.iterdir():
        (out / file.name).write_bytes(file.read_bytes())
    save_file({name: t.contiguous() for name, t in model.state_dict().items()}, out / folders.WEIGHTS)


def measured(who: str, seed: int, epochs: int) -> dict[str, Any]:
    """One run and its retrieval among all held-out emoji."""
    source, test = (open_source("emoji", split=part, channels=3) for part in ("train", "test"))
    with tempfile.TemporaryDirectory() as folder:
        begun, out = Path(folder) / "begun", Path(folder) / "out"
        first(begun, source, seed)
        began = time.perf_counter()
        if who == "kontrast":
            ours(begun, source, seed, epochs, out)
        else:
            out.mkdir()
            peers(begun, source, seed, epochs, out)
        seconds = time.perf_counter() - began
        found = evaluate({"learned": load_pairs(out)}, test, test.ids, protocols=["retrieval"])["learned"]
    scores = {name: round(float(found[name]), 4) for name in SCORES}
    return {"who": who, "seed": seed, "epochs": epochs, "items": len(test.ids), **scores, "seconds": round(seconds, 1)}


def told(rows: list[dict[str, Any]]) -> None:
    """Both, and the difference paired by seed."""
    by = {(row["who"], row["seed"]): row for row in rows}
    seeds = sorted(seed for who, seed in by if who == "kontrast" and ("open_clip", seed) in by)
    for score in SCORES if seeds else ():
        mine, other = ([by[who, seed][score] for seed in seeds] for who in ("kontrast", "open_clip"))
        apart = [a - b for a, b in zip(mine, other)]
        spread = f" (spread {statistics.stdev(apart):.4f})" if len(apart) > 1 else ""
        print(f"{score:13} kontrast {mine}  open_clip {other}  difference {statistics.mean(apart):+.4f}{spread}")
    if seeds:
        taken = [by["open_clip", seed]["seconds"] / by["kontrast", seed]["seconds"] for seed in seeds]
        print(f"seconds       {statistics.median(taken):.2f} times open_clip's speed, whole calls")


def main() -> None:
    """Run what is missing, seed by seed, then say what came."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--shown", action="store_true", help="only say what was measured so far")
    said = parser.parse_args()
    rows = [row for row in kept.rows("clip_peer") if row["epochs"] == said.epochs]
    done = {(row["who"], row["seed"]) for row in rows}
    for seed in range(0 if said.shown else said.seeds):
        for who in ("kontrast", "open_clip"):
            if (who, seed) not in done:
                rows.append(measured(who, seed, said.epochs))
                kept.add("clip_peer", rows[-1])
    told(rows)


if __name__ == "__main__":
    main()
