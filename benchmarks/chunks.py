"""Exact large batches: what a step in pieces costs over a plain one, in time and memory, beside sentence-transformers.

    python benchmarks/chunks.py

One model (a BERT of 4 layers of 256), one batch of sentence pairs, the same loss (softmax over cosines / 0.05). Four
ways: plain; in pieces, each computed twice; in pieces, half of them stored; `CachedMultipleNegativesRankingLoss`.
Gradients are compared first. Time: A/B/A/B in one process, medians; floor 4/3 = 1.33, must 1.45 (over our plain step).
Memory: peak of a fresh process over that of one that only builds the model.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

import torch

from kontrast import keyed, losses
from kontrast.encoders.text.bert import Bert, Shape
from kontrast.encoders.text.encoder import TextEncoder
from kontrast.training import chunks

ROWS, PIECE, LENGTH, ROUNDS = 256, 32, 32, 7
SHAPE = Shape(vocabulary=4000, dropout=0.0, attention_dropout=0.0)


def encoder() -> TextEncoder:
    spec = {"name": "bert", "width": SHAPE.width, "pooler": "mean", "normalize": False}
    return TextEncoder(Bert(SHAPE, seed=1), None, spec, seed=1)  # type: ignore[arg-type]


def tokens() -> list[dict[str, torch.Tensor]]:
    """Anchors and positives, 32 tokens each, so that nobody gains by leaving padding out."""
    draw = keyed.generator("benchmark")
    one = torch.randint(5, SHAPE.vocabulary, (2, ROWS, LENGTH), generator=draw)
    return [{"input_ids": ids, "attention_mask": torch.ones_like(ids)} for ids in one]


def ours(net: TextEncoder, batch: list[dict[str, torch.Tensor]], size: int = 0, keep: int = 0) -> None:
    with chunks.cut([net], size or ROWS, keep=keep):
        first, second = (net(part) for part in batch)
    losses.info_nce(first, second, temperature=0.05).backward()


class Sentences(torch.nn.Module):
    """What their loss asks of a model's first module."""

    def __init__(self, net: TextEncoder) -> None:
        super().__init__()
        self.net = net

    def forward(self, features: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        return {**features, "sentence_embedding": self.net(features)}


def theirs(net: TextEncoder, batch: list[dict[str, torch.Tensor]]) -> None:
    from sentence_transformers.sentence_transformer.losses import CachedMultipleNegativesRankingLoss

    model = torch.nn.Sequential(Sentences(net))
    CachedMultipleNegativesRankingLoss(model, scale=20.0, mini_batch_size=PIECE)(batch, None).backward()


WAYS = {
    "plain": ours,
    "pieces": lambda net, batch: ours(net, batch, PIECE),
    "pieces, half stored": lambda net, batch: ours(net, batch, PIECE, ROWS // PIECE // 2),
    "sentence-transformers": theirs,
}


def gradient(way: str) -> torch.Tensor:
    net = encoder()
    WAYS[way](net, tokens())
    return torch.cat([p.grad.flatten() for p in net.parameters() if p.grad is not None])


def resident(name: str) -> float:
    """MB of this process: VmRSS now, VmHWM at most since `forget`."""
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) / 1024 for line in file if line.startswith(name))


def forget() -> None:
    """Let the peak begin anew (what a process inherits from its parent counts otherwise)."""
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")


def memory(way: str) -> float:
    code = f"import sys; sys.path.insert(0, 'benchmarks'); import chunks as b; b.alone({way!r})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return float(done.stdout.split()[-1])


def alone(way: str) -> None:
    """For a fresh process: prints what the step needs beyond the model and imports, the peer's and torch's own.

    The first call of torch's recomputation imports its compiler, which training has long done by then (torchvision).
    """
    import torch._dynamo

    if way == "sentence-transformers":
        import sentence_transformers.sentence_transformer.losses  # noqa: F401
    net, batch = encoder(), tokens()
    for p in net.parameters():
        p.grad = torch.zeros_like(p)
    forget()
    before = resident("VmRSS")
    WAYS[way](net, batch)
    print(resident("VmHWM") - before)


def main() -> None:
    whole = gradient("plain")
    threads = torch.get_num_threads()
    print(f"{ROWS} pairs of {LENGTH} tokens, pieces of {PIECE}; torch {torch.__version__}, {threads} threads")
    for way in WAYS:
        apart = float((gradient(way) - whole).norm() / whole.norm())
        assert apart < 1e-5, f"{way}: another gradient ({apart:.1e})"
        print(f"  {way:<22} distance to the plain gradient {apart:.1e}")
    net, batch = encoder(), tokens()
    times: dict[str, list[float]] = {way: [] for way in WAYS}
    for round_ in range(ROUNDS + 1):
        for way, call in WAYS.items():
            began = time.perf_counter()
            call(net, batch)
            if round_:
                times[way].append(time.perf_counter() - began)
    plain = statistics.median(times["plain"])
    for way, seconds in times.items():
        ratios = sorted(s / p for s, p in zip(seconds, times["plain"]))
        median = statistics.median(seconds)
        print(
            f"  {way:<22} {median:6.3f} s  {median / plain:5.2f} of a plain step "
            f"({ratios[0]:.2f} to {ratios[-1]:.2f})  peak +{memory(way):5.0f} MB"
        )


if __name__ == "__main__":
    main()
