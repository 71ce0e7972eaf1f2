"""CIFAR-10, the same small encoder, optimizer, batch and epochs: lightly's loop and ours, seconds and kNN.

    python benchmarks/end_to_end.py [--epochs 3] [--batch 512] [--limit 50000] [--rounds 3] [--mode fast]

encoder           forward and backward alone at this batch, in our layout and precision, a pass after each step of a
                  training of ours: a machine's pace changes within minutes, and so both see the same
kontrast          `kontrast.train`, the whole call: reading, decoding, training, what a run leaves
lightly           the loop of its documentation: DataLoader of 2 workers, fp32, default layout
lightly, lines    the same with the channels_last line, and bf16 autocast where the processor multiplies it in hardware

Every contender runs in a fresh process, in turn (A B C D A B C D ...), a round with a seed of its own and the same
first weights for all. kNN: the test set, what was trained on as bank, k = 200, T = 0.1. Each result is appended to
a file in results/, and an interrupted program goes on. Musts: 2.5 and 1.4 times faster than the two loops at a kNN not
behind; at most 10 % of our step outside the encoder. Needs lightly (`pip install "kontrast[peers]"`) and
KONTRAST_DATA/cifar10.
"""

from __future__ import annotations

import argparse
import io
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from torch import nn

import kept
from cifar import DATA, knn, labelled
from kontrast.data.open import Source, open_source
from kontrast.encoders.images.open import image_encoder
from kontrast.modalities.images.model import Model
from kontrast.training import loop

UNSCALED = ((0.0,) * 3, (1.0,) * 3)
FAST_BF16 = torch.cpu._is_avx512_bf16_supported()
MUSTS = {"lightly": 2.5, "lightly, lines": 1.4}
Args = argparse.Namespace


def fresh(args: Args) -> Any:
    """The same first weights for everyone."""
    return image_encoder("small", channels=3, image_size=32, seed=args.seed)


def score(model: Model, args: Args) -> float:
    """kNN on the test set; fraction."""
    train = labelled("train")
    return knn(model, train.part(train.ids[: args.limit]), labelled("test"))


def trained(args: Args, folder: str) -> Any:
    """Our training, as a user calls it."""
    import kontrast

    source: Source = open_source(DATA / "train.parquet")
    source = source.part(source.ids[: args.limit], source.name)
    return kontrast.train(
        source, method="simclr", out=f"{folder}/run", encoder="small", epochs=args.epochs, batch_size=args.batch,
        views="simclr-cifar", view_mode=args.mode, temperature=args.temperature, optimizer="adamw", lr=args.lr,
        weight_decay=1e-4, seed=args.seed, validate="none", say=lambda _: None,
    )  # fmt: skip


def in_turn(args: Args) -> dict[str, float]:
    """A training of ours, and after each of its steps the encoder alone: seconds of both, at the same pace."""
    pixels = torch.rand(2 * args.batch, 3, 32, 32).contiguous(memory_format=torch.channels_last)
    encoder = fresh(args).to(memory_format=torch.channels_last).train()
    step, times = loop.one_step, []

    def both(*said: Any) -> Any:
        outcome = step(*said)
        began = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16, enabled=FAST_BF16):
            out = encoder(pixels)
        out.float().sum().backward()
        times.append(time.perf_counter() - began)
        return outcome

    with tempfile.TemporaryDirectory() as folder, mock.patch.object(loop, "one_step", both):
        run = trained(args, folder)
    return {"seconds": sum(times), "training": run.summary["seconds"] - sum(times)}


def ours(args: Args) -> dict[str, float]:
    """The whole call, and of it the training alone."""
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        run = trained(args, folder)
    seconds = time.perf_counter() - began
    assert run.model is not None
    return {"seconds": seconds, "training": run.summary["seconds"], "knn": score(run.model, args)}


class Pictures(torch.utils.data.Dataset):
    """The parquet as a map-style set of PIL pictures, with lightly's transform."""

    def __init__(self, path: Path, transform, limit: int) -> None:
        import pyarrow.parquet as pq

        self.raw = [row["bytes"] for row in pq.read_table(path, columns=["image"])["image"].to_pylist()[:limit]]
        self.transform = transform

    def __len__(self) -> int:
        return len(self.raw)

    def __getitem__(self, i: int):
        from PIL import Image

        return self.transform(Image.open(io.BytesIO(self.raw[i])))


def lightly(args: Args, lines: bool = False) -> dict[str, float]:
    """lightly's documented loop; with `lines`, the two that its users may add."""
    from lightly.loss import NTXentLoss
    from lightly.models.modules import SimCLRProjectionHead
    from lightly.transforms import SimCLRTransform

    torch.manual_seed(args.seed)
    began = time.perf_counter()
    transform = SimCLRTransform(input_size=32, cj_strength=0.5, gaussian_blur=0.0, normalize=None)
    data = Pictures(DATA / "train.parquet", transform, args.limit)
    loader = torch.utils.data.DataLoader(data, args.batch, shuffle=True, drop_last=True, num_workers=2)
    encoder = fresh(args)
    head, loss = SimCLRProjectionHead(encoder.width, encoder.width, 128), NTXentLoss(temperature=args.temperature)
    model = nn.Sequential(encoder, head).train()
    model = model.to(memory_format=torch.channels_last) if lines else model
    optimizer = torch.optim.AdamW(model.parameters(), lr=args.lr, weight_decay=1e-4)
    steps = args.epochs * len(loader)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, args.lr, steps, pct_start=max(2, steps // 20) / steps, cycle_momentum=False
    )
    for _ in range(args.epochs):
        for first, second in loader:
            if lines:
                first, second = (view.contiguous(memory_format=torch.channels_last) for view in (first, second))
            with torch.autocast("cpu", torch.bfloat16, enabled=lines and FAST_BF16):
                z0, z1 = model(first), model(second)
            loss(z0.float(), z1.float()).backward()
            optimizer.step()
            optimizer.zero_grad()
            schedule.step()
    seconds = time.perf_counter() - began
    return {"seconds": seconds, "knn": score(Model(encoder.eval(), 32, *UNSCALED), args)}


CONTENDERS = {
    "encoder": in_turn,
    "kontrast": ours,
    "lightly": lightly,
    "lightly, lines": lambda args: lightly(args, lines=True),
}


def told(rows: list[dict[str, Any]]) -> None:
    """Medians over the rounds, ratios within each round, and the musts."""
    by = {(row["who"], row["seed"]): row for row in rows}
    seeds = sorted(seed for who, seed in by if all((each, seed) in by for each in CONTENDERS))
    if not seeds:
        return
    for who in CONTENDERS:
        found = [by[who, seed] for seed in seeds]
        seconds, scores = [row["seconds"] for row in found], [100 * row["knn"] for row in found if "knn" in row]
        score = f"  kNN {statistics.mean(scores):.2f} ({min(scores):.2f} to {max(scores):.2f})" if scores else ""
        print(f"{who:16} {statistics.median(seconds):8.1f} s  ({min(seconds):.1f} to {max(seconds):.1f}){score}")
    for who, must in MUSTS.items():
        faster = [by[who, seed]["seconds"] / by["kontrast", seed]["seconds"] for seed in seeds]
        ahead = [100 * (by["kontrast", seed]["knn"] - by[who, seed]["knn"]) for seed in seeds]
        ratio = f"{statistics.median(faster):.2f} times faster than {who} (must {must})"
        print(f"{ratio}, kNN {statistics.mean(ahead):+.2f} points")
    outside = [1 - by["encoder", seed]["seconds"] / by["encoder", seed]["training"] for seed in seeds]
    print(f"outside the encoder's forward and backward {statistics.median(outside):.1%} of the training (must 10 %)")


def main() -> None:
    """One contender in this process, or all of them in turn, each in its own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--batch", type=int, default=512)
    parser.add_argument("--limit", type=int, default=50_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0, help="of one contender")
    parser.add_argument("--temperature", type=float, default=0.2)
    parser.add_argument("--lr", type=float, default=2e-3)
    parser.add_argument("--mode", default="fast", choices=["exact", "fast"])
    parser.add_argument("--one", choices=list(CONTENDERS))
    args = parser.parse_args()
    if args.one:
        print(json.dumps(CONTENDERS[args.one](args)))
        return
    machine = f"{kept.processor()}, {torch.get_num_threads()} threads"
    print(f"{machine}, torch {torch.__version__}, bf16 in hardware: {FAST_BF16}")
    asked = {name: getattr(args, name) for name in ("epochs", "batch", "limit", "temperature", "lr", "mode")}
    rows = [row for row in kept.rows("end_to_end") if asked == {name: row[name] for name in asked}]
    done = {(row["who"], row["seed"]) for row in rows}
    for seed in range(args.rounds):
        for who in CONTENDERS:
            if (who, seed) in done:
                continue
            said = [word for name, value in asked.items() for word in (f"--{name}", str(value))]
            command = [sys.executable, __file__, "--one", who, "--seed", str(seed), *said]
            printed = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
            result = json.loads(printed.splitlines()[-1])
            rows.append({"who": who, "seed": seed, **result, **asked})
            kept.add("end_to_end", rows[-1])
    told(rows)


if __name__ == "__main__":
    main()
