"""Sentences of four topics, which share no word."""

import numpy as np

from kontrast import keyed

QUICK = {"method": "simcse", "encoder": "static", "epochs": 2, "batch_size": 16, "threads": 1}


WORDS = "sun moon star rain snow wind leaf root seed bird fish wolf bread salt milk stone iron gold boat road".split()  # noqa: SIM905


def words_of(row):
    """A sentence of 8 words: a topic of five words, drawn from with repetition."""
    topic = WORDS[5 * (row % 4) : 5 * (row % 4) + 5]
    return " ".join(topic[n] for n in keyed.below(5, "words", row, np.arange(8)))
