"""A loss of kontrast in a loop of your own: nothing else of it is needed, and nothing about the loop is asked.

    python examples/own_loop.py --steps 200 --temperature 0.2

Plain PyTorch on scikit-learn's digits: two looks at each digit, a small net, Adam. Prints the loss beside what guessing
costs, then what one label a class is worth on unseen digits, beside random weights, raw pixels and chance.
"""

import argparse

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import Tensor, nn

from kontrast import losses


def look(pictures_BHW: Tensor, draw: torch.Generator) -> Tensor:
    """Each picture turned, sheared, scaled and moved a little, and with other ink."""
    B = len(pictures_BHW)
    moved_B23 = torch.eye(2, 3) + 0.15 * torch.randn(B, 2, 3, generator=draw)
    grid_BHW2 = F.affine_grid(moved_B23, [B, 1, 8, 8], align_corners=False)
    ink_B11 = 0.6 + 0.8 * torch.rand(B, 1, 1, generator=draw)
    return F.grid_sample(pictures_BHW[:, None], grid_BHW2, align_corners=False)[:, 0] * ink_B11


def one_label_a_class(vectors_ND: Tensor, label_N: Tensor) -> float:
    """Accuracy of the nearest of ten examples, one drawn from each class; mean of 100 draws."""
    unit_ND, draw = F.normalize(vectors_ND), torch.Generator().manual_seed(0)
    share = 0.0
    for _ in range(100):
        order_N = torch.randperm(len(label_N), generator=draw)
        example_C = torch.stack([order_N[label_N[order_N] == c][0] for c in range(10)])
        share += float(((unit_ND @ unit_ND[example_C].T).argmax(1) == label_N).float().mean()) / 100
    return share


def main() -> None:
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--steps", type=int, default=200)
    ask.add_argument("--temperature", type=float, default=0.2)
    args = ask.parse_args()

    digits = load_digits()
    pictures_NHW = torch.tensor(digits.images / 16, dtype=torch.float32)
    seen_NHW, unseen_NHW, unseen_N = pictures_NHW[:1437], pictures_NHW[1437:], torch.tensor(digits.target[1437:])

    torch.manual_seed(0)
    draw = torch.Generator().manual_seed(0)
    encoder = nn.Sequential(nn.Flatten(), nn.Linear(64, 256), nn.BatchNorm1d(256), nn.ReLU(), nn.Linear(256, 128))
    projector = nn.Sequential(nn.ReLU(), nn.Linear(128, 64))

    def score(embed: nn.Module) -> float:
        with torch.no_grad():
            return one_label_a_class(embed.eval()(unseen_NHW), unseen_N)

    scores = {"chance": 0.1, "raw pixels": score(nn.Flatten()), "random weights": score(encoder)}
    optimizer = torch.optim.Adam([*encoder.train().parameters(), *projector.parameters()], lr=1e-3)
    for step in range(1, args.steps + 1):
        batch = seen_NHW[torch.randperm(len(seen_NHW), generator=draw)[:256]]
        views_VBD = torch.stack([projector(encoder(look(batch, draw))) for _ in range(2)])
        loss = losses.nt_xent(views_VBD, temperature=args.temperature)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 50 == 0:
            print(f"step {step:>4}   loss {loss.item():.3f}   guessing {losses.chance('nt_xent', batch=256):.3f}")

    for name, share in (scores | {"learned": score(encoder)}).items():
        print(f"{name:<15} {share:6.1%}")


if __name__ == "__main__":
    main()
