"""A method from outside in a run: its code runs only when `--method` names it, and its text is kept in the run folder.

A run folder or `config.yaml` may be somebody else's, so neither brings code with it: going on with such a run, or
repeating one, needs the method named again.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from kontrast import methods
from kontrast.errors import Unfit
from kontrast.methods import outside
from kontrast.settings import Settings

KEPT = "method.py"  # in the run folder


def refuse_unnamed(written: str | None, named: str | None, where: str) -> None:
    """Unfit where code would run that only a file names."""
    if named is None and written is not None and written not in methods.METHODS and outside.names(written):
        raise Unfit(
            f"{where} names the method {written}, whose code is not kontrast's and runs only when you name it: add "
            f"--method {written}, if you trust it."
        )


def gone_on_with(path: Path, written: Settings, sha256: str, requested: Settings) -> Settings:
    """What a run was begun with, its method under the name it has now. Unfit where that one's text is another."""
    refuse_unnamed(written.method, requested.method, f"--resume {path}")
    if {written.method, requested.method} & {None, *methods.METHODS}:
        return written  # one of ours; a difference is told where others are
    found = methods.entry(str(requested.method)).outside
    assert found is not None
    if found.sha256 != sha256:
        raise Unfit(
            f"--method {requested.method} has another text than the one that {path} was begun with (SHA-256 "
            f"{found.sha256[:12]}, was {sha256[:12]}; it is kept in {path / KEPT}). Go on with that text, or start a "
            "new run."
        )
    if found.made_by.__name__ != str(written.method).rpartition(":")[2]:
        raise Unfit(f"--method {requested.method} is another class than the {written.method} of this run.")
    return replace(written, method=requested.method)
