"""What the watch says of rows a, b, label, by the margin loss's own diagnostics (`losses.margin`).

Nobody must be found there, so retrieval looks at similar rows alone; and that all lies at one point is told by the
distances that the loss sees, not by the spread of directions: far from the origin all directions agree.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from kontrast.methods.method import Embeddings

POINT = 0.02  # of the distance that guessing gives all pairs: below, all outputs are one point


def together(z: Embeddings) -> Tensor | slice:
    """The rows whose two outputs belong together: all of them, or those labelled similar."""
    return z["similar"][:, 0] > 0 if "similar" in z.roles else slice(None)


def labelled(row: Mapping[str, float]) -> bool:
    """Whether a log row is of a run on labelled rows."""
    return "similar_apart" in row


def one_point(row: Mapping[str, float]) -> bool:
    """Whether the pairs of a batch have as good as no distance. Guessing puts all of them at (1 - similar) margins."""
    similar = row["similar"]
    apart = similar * row["similar_apart"] + (1 - similar) * row["dissimilar_apart"]
    return apart < POINT * (1 - similar)


def sentence(row: Mapping[str, float], collapsed: bool) -> str:
    """The verdict on one log row."""
    numbers = (
        f"similar pairs are {row['similar_apart']:.2f} margins apart, dissimilar ones {row['dissimilar_apart']:.2f}"
    )
    if collapsed:
        return (
            f"collapsed: all outputs are one point ({numbers}). Usual causes: a learning rate that is too high, hardly "
            "any dissimilar rows."
        )
    untold = row["dissimilar_apart"] < 1.1 * row["similar_apart"]
    if row["loss"] > 0.99 * row["guessing"] > 0 and untold:
        return (
            f"guessing: the loss {row['loss']:.3f} is no better than one distance for all pairs "
            f"({row['guessing']:.3f}): {numbers}. Usual causes: a learning rate that is too low or too high, labels "
            "that the data do not show."
        )
    above = row["loss"] > row["guessing"] > 0
    still = "; it has not come down there: the margin is small for such distances, or the run short" if above else ""
    return f"healthy: {numbers} (loss {row['loss']:.3f}; one distance for all pairs {row['guessing']:.3f}{still})"
