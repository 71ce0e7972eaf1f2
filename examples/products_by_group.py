"""Products by group: several photos of each product, and a photo should find the other photos of its product.

    python examples/products_by_group.py products/                         # products/SHOE-17/front.jpg, side.jpg, ...
    python examples/products_by_group.py products.csv --same product_id    # a table: image, product_id

Photos of one product are each other's positives and never each other's negatives. A part of the products is kept out
of training altogether. On those the program prints how many photos have one of their own product as the nearest
(recall at 1), before and after, beside chance.
"""

import argparse

import numpy as np

import kontrast
from kontrast.data import open_source


def recall_at_1(model: kontrast.Model, photos: object, group_N: np.ndarray) -> float:
    """How many photos have one of the same group as their nearest other photo."""
    vectors = model.embed(photos)
    similarity_NN = model.similarity(vectors, vectors)
    np.fill_diagonal(similarity_NN, -np.inf)
    return float(np.mean(group_N[similarity_NN.argmax(axis=1)] == group_N))


def main() -> None:
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("products", help="a folder with a folder for each product, or a table")
    ask.add_argument("--same", default="folder", help="`folder`, or the column that names the product")
    ask.add_argument("--unseen", type=float, default=0.2, help="share of the products that training never sees")
    ask.add_argument("--method", default="simclr")
    ask.add_argument("--epochs", type=int, help="passes over the photos; chosen by their number if not given")
    args = ask.parse_args()

    source = open_source(args.products, same=args.same)
    group_M = source.groups[source.ids]
    groups = np.random.default_rng(0).permutation(np.unique(group_M))
    unseen_M = np.isin(group_M, groups[: max(2, round(args.unseen * len(groups)))])
    train, test = source.part(source.ids[~unseen_M]), source.part(source.ids[unseen_M])

    run = kontrast.train(train, method=args.method, epochs=args.epochs)
    print(run.summary["verdict"])

    group_N = source.groups[test.ids]
    chance = np.mean([(np.sum(group_N == group) - 1) / (len(group_N) - 1) for group in group_N])
    print(f"recall at 1 on {len(group_N)} photos of {len(np.unique(group_N))} products never seen")
    print(f"chance          {chance:6.1%}")
    print(f"random weights  {recall_at_1(run.model.random(), test, group_N):6.1%}")
    print(f"learned         {recall_at_1(run.model, test, group_N):6.1%}    {run.path}")


if __name__ == "__main__":
    main()
