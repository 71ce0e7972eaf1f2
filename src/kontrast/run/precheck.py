"""What cannot run whatever the data hold: said before anything is read."""

from __future__ import annotations

from pathlib import Path

from kontrast import methods
from kontrast.data.open import EMBEDDED
from kontrast.distributed import processes
from kontrast.encoders import tuning
from kontrast.errors import Unfit
from kontrast.modalities import registry
from kontrast.negatives import check_fits, parsed
from kontrast.recipes.kinds import KINDS
from kontrast.recipes.rules import FIXED
from kontrast.settings import Settings, checked, pairs
from kontrast.training import trackers


def path(given: str | Path, flag: str) -> Path:
    """The path; Unfit for an empty word, which would mean the current folder."""
    if not str(given).strip():
        raise Unfit(f"{flag} is empty; a path was expected.")
    return Path(given)


def words(requested: Settings) -> None:
    """Unfit for a word of the user's that is empty, or that this method would never look at."""
    modality = registry.of_method(requested.method or "simclr")
    if requested.chunk is not None and requested.chunk.strip("0") == "":
        raise Unfit(f"--chunk {requested.chunk}: at least 1 row, or auto; leave --chunk out to take whole batches.")
    for name, value in requested.requested().items():
        flag = f"--{name.replace('_', '-')}"
        if value == "" and name != "negatives":
            raise Unfit(f"{flag} is empty; leave it out, or give a value.")
        if name in modality.unused and value != FIXED.get(name, (None,))[0]:
            raise Unfit(f"{flag} means nothing to {requested.method or 'simclr'}, which reads {modality.name}.")


def before_reading(requested: Settings, weights_from: str | Path | None) -> None:
    """Unfit where names, folders or numbers alone keep the run from being."""
    checked(requested)
    name = requested.method or "simclr"
    entry, modality = methods.entry(name), registry.of_method(name)
    methods.configured(name, pairs(requested.set, "--set"))
    against = parsed(requested.negatives or "")
    check_fits(against, name, entry.kind, KINDS[entry.kind].negatives)
    if requested.channels is not None and modality.channels not in (None, requested.channels):
        raise Unfit(f"--channels {requested.channels}: {name} reads pictures of {modality.channels} channels.")
    processes.device(requested.device)
    trackers.named(requested.log)
    if requested.tune is not None:
        tuning.parsed(requested.tune)
    checks = requested.validate
    if checks not in (None, "part", "none", *EMBEDDED) and not Path(str(checks)).exists():
        raise Unfit(f"--validate {checks} does not exist; give data, part or none.")
    if against.guide:
        _of_kind(Path(against.guide), f"--negatives guide:{against.guide}", SEES.get(entry.kind, (entry.kind,)), name)
    if weights_from is not None:
        _of_kind(path(weights_from, "--from"), f"--from {weights_from}", (entry.kind,), name)
    if requested.encoder is not None and Path(requested.encoder).is_dir():
        _of_kind(Path(requested.encoder), f"--encoder {requested.encoder}", TOWERS.get(entry.kind, (entry.kind,)), name)
    modality.precheck(requested)


TOWERS = {"pairs": ("images", "pairs")}  # two towers may begin with the encoder of one
SEES = {"images": ("images", "pairs"), "pairs": ("images", "pairs"), "texts": ("texts",)}  # whose model reads such data


def _of_kind(folder: Path, flag: str, kinds: tuple[str, ...], method: str) -> None:
    """Unfit where there is no such folder, or its model is plainly of another kind."""
    if not folder.is_dir():
        raise Unfit(f"{flag}: there is no such folder.")
    kind = next((kind.name for kind in registry.MODALITIES.values() if kind.holds(folder)), None)
    if kind is not None and kind not in kinds:
        raise Unfit(f"{flag} holds a model of {kind}; {method} needs one of {' or '.join(kinds)}.")
