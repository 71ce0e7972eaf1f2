"""Look-alike photos: learn from a folder of photos, with no labels, then show what is nearest to one of them.

    python examples/look_alike_photos.py photos/                   # trains, then draws runs/look-alike/nearest.png
    python examples/look_alike_photos.py photos/ --query cat.jpg   # a photo file of your own; trains no second time

Prints how often the encoder finds a photo's other view among up to 2,000, beside random weights, raw pixels and chance.
"""

import argparse
from pathlib import Path

import kontrast
from kontrast.cli import search


def main() -> None:
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("photos", help="a folder of photos, in any nesting, or a table of them")
    ask.add_argument("--query", default="0", help="a photo file, or the row number of a photo of the folder")
    ask.add_argument("--run", type=Path, default=Path("runs/look-alike"), help="trained here, or used again")
    ask.add_argument("--method", default="simclr", help="any of `kontrast methods` that sees pictures")
    ask.add_argument("--epochs", type=int, help="passes over the photos; chosen by their number if not given")
    ask.add_argument("-k", type=int, default=10, help="how many to show")
    args = ask.parse_args()

    if not (args.run / "model").is_dir():
        run = kontrast.train(args.photos, method=args.method, epochs=args.epochs, out=str(args.run))
        print(run.summary["verdict"], run.summary["learned"] or "Too few photos to test on unseen ones.", sep="\n")

    search(str(args.run), args.photos, query=args.query, k=args.k, sheet=str(args.run / "nearest.png"))


if __name__ == "__main__":
    main()
