"""Where initial weights come from: a generator named by the seed, never the process's own random state.

Other people's constructors draw from torch's global generator and offer no other way. This file is the one place where
that generator is lent to them: it is set from a key, and put back as it was.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from kontrast import keyed


@contextmanager
def drawn_from(*key: keyed.Key) -> Iterator[None]:
    """Modules built inside draw their weights from this key; the global generator is afterwards as it was before."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.set_state(keyed.generator(*key).get_state())
        yield
