"""CIFAR-10, the same small encoder, optimizer, batch and epochs: lightly's loop as its documentation has it, and ours.

    python benchmarks/end_to_end.py [--epochs 3] [--batch 512] [--limit 50000] [--seed 0]

Both start from the same weights, in one run, one after the other; the kNN of both is measured by the same code on the
test set with the training set as bank, beside random weights. The floor is the encoder's forward and backward alone on
batches of the same size. Needs lightly (`pip install "kontrast[peers]"`) and KONTRAST_DATA/cifar10.
"""

from __future__ import annotations

import argparse
import io
import os
import platform
import tempfile
import time
from pathlib import Path

import pyarrow.parquet as pq
import torch
from PIL import Image
from torch import nn

import kontrast
from kontrast.data.sources import open_source
from kontrast.encoders.images import image_encoder
from kontrast.evaluate.knn import knn_predict
from kontrast.model import Model

DATA = Path(os.environ.get("KONTRAST_DATA", "../shared/data")) / "cifar10"
UNSCALED = ((0.0,) * 3, (1.0,) * 3)


def knn(model: Model, train, test) -> float:
    """Top-1 with k = 200, T = 0.1; fraction."""
    bank, query = (model.embed_source(source, source.ids) for source in (train, test))
    labels, answers = (torch.from_numpy(source.labels[source.ids]) for source in (train, test))
    guess = knn_predict(query, bank, labels, classes=10, k=200, temperature=0.1)
    return float((guess == answers).double().mean())


class Pictures(torch.utils.data.Dataset):
    """The parquet as a map-style set of PIL pictures, with lightly's transform."""

    def __init__(self, path: Path, transform, limit: int) -> None:
        self.raw = [row["bytes"] for row in pq.read_table(path, columns=["image"])["image"].to_pylist()[:limit]]
        self.transform = transform

    def __len__(self) -> int:
        return len(self.raw)

    def __getitem__(self, i: int):
        return self.transform(Image.open(io.BytesIO(self.raw[i])))


def lightly_run(args, encoder: nn.Module, width: int) -> float:
    """Seconds of lightly's documented loop."""
    from lightly.loss import NTXentLoss
    from lightly.models.modules import SimCLRProjectionHead
    from lightly.transforms import SimCLRTransform

    transform = SimCLRTransform(input_size=32, cj_strength=0.5, gaussian_blur=0.0, normalize=None)
    data = Pictures(DATA / "train.parquet", transform, args.limit)
    loader = torch.utils.data.DataLoader(data, args.batch, shuffle=True, drop_last=True, num_workers=2)
    head, loss = SimCLRProjectionHead(width, width, 128), NTXentLoss(temperature=args.temperature)
    model = nn.Sequential(encoder, head).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=args.lr, weight_decay=1e-4)
    steps = args.epochs * len(loader)
    warmup = max(1, steps // 20)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, args.lr, steps, pct_start=warmup / steps, cycle_momentum=False
    )
    began = time.perf_counter()
    for _ in range(args.epochs):
        for first, second in loader:
            value = loss(model(first), model(second))
            value.backward()
            optimizer.step()
            optimizer.zero_grad()
            schedule.step()
    return time.perf_counter() - began


def kontrast_run(args) -> tuple[float, Model]:
    """Seconds of `kontrast.train` without its checks, and its model."""
    with tempfile.TemporaryDirectory() as folder:
        run = kontrast.train(
            DATA / "train.parquet" if args.limit >= 50_000 else open_source(DATA / "train.parquet").part(range(args.limit)),
            method="simclr", out=f"{folder}/run", encoder="small", epochs=args.epochs, batch_size=args.batch,
            views="simclr-cifar", view_mode=args.mode, temperature=args.temperature, optimizer="adamw", lr=args.lr,
            weight_decay=1e-4, seed=args.seed, validate="none", say=lambda _: None,
        )  # fmt: skip
    assert run.model is not None
    return run.summary["seconds"], run.model


def floor(args, encoder: nn.Module) -> float:
    """Seconds of the encoder's forward and backward alone, for all steps of the run."""
    pixels = torch.rand(2 * args.batch, 3, 32, 32).contiguous(memory_format=torch.channels_last)
    encoder = encoder.to(memory_format=torch.channels_last).train()
    times = []
    for _ in range(6):
        began = time.perf_counter()
        encoder(pixels).sum().backward()
        times.append(time.perf_counter() - began)
    return sorted(times)[2] * args.epochs * (args.limit // args.batch)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--batch", type=int, default=512)
    parser.add_argument("--limit", type=int, default=50_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--temperature", type=float, default=0.2)
    parser.add_argument("--lr", type=float, default=2e-3)
    parser.add_argument("--mode", default="exact")
    args = parser.parse_args()
    print(f"{platform.processor() or platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}")
    train, test = (open_source(DATA / f"{name}.parquet", labels="label_name") for name in ("train", "test"))

    def fresh() -> nn.Module:
        return image_encoder("small", channels=3, image_size=32, seed=args.seed)

    print(f"random weights      kNN {knn(Model(fresh(), 32, *UNSCALED), train, test):.4f}", flush=True)
    alone = floor(args, fresh())
    seconds, model = kontrast_run(args)
    images = args.epochs * args.limit / seconds
    print(
        f"kontrast ({args.mode})  {seconds:7.1f} s  {images:6.0f} images/s  kNN {knn(model, train, test):.4f}",
        flush=True,
    )
    peer = fresh()
    theirs = lightly_run(args, peer, 128)
    images = args.epochs * args.limit / theirs
    score = knn(Model(peer.eval(), 32, *UNSCALED), train, test)
    print(f"lightly             {theirs:7.1f} s  {images:6.0f} images/s  kNN {score:.4f}")
    print(f"encoder alone       {alone:7.1f} s    ours is {theirs / seconds:.2f} times faster than lightly's loop")


if __name__ == "__main__":
    main()
