"""What a user can check on their own machine: `kontrast verify`. The tests call the same code.

contract   the three verbs keep their promises
gradients  several processes are one       chunks   pieces of a batch are the whole
resume     a stopped run is the same run    views    a view depends on its picture and epoch alone
numerics   losses against dense float64     chance   what guessing costs, and no sample its own negative
crash      a death inside a save loses nothing
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib import import_module

from kontrast import methods
from kontrast.errors import Unfit
from kontrast.settings import nearest
from kontrast.verify.findings import Finding

CHECKS = ("contract", "gradients", "chunks", "resume", "views", "numerics", "chance", "crash")


def run(check: str | None = None, method: str = "all") -> Iterator[Finding]:
    """The findings of one check, or of all, as they come. Unfit for a check or method that does not exist."""
    from kontrast.verify.tiny_methods import NAMES

    if check is not None and check not in CHECKS:
        raise Unfit(f"verify {check!r} is no check{nearest(check, CHECKS)}")
    outside = None if method == "all" else methods.entry(method).outside
    names = NAMES if method == "all" else (outside.reference if outside else method,)
    with one_thread():
        for name in CHECKS if check is None else (check,):
            one: Callable[..., list[Finding]] = import_module(f"kontrast.verify.{name}").check
            for finding in one(names):
                yield replace(finding, what=finding.what.replace(names[0], outside.name)) if outside else finding


@contextmanager
def one_thread() -> Iterator[None]:
    """Nets of a few hundred weights gain nothing by threads, and on a busy machine threads wait for each other."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def line(finding: Finding) -> str:
    """A row of the table, 79 characters."""
    mark = "ok" if finding.passed else "FAIL"
    return f"{finding.what:<54.54}{finding.measured:>10.2g}{finding.bound:>10.2g} {mark:>4}"


def shown(check: str | None = None, method: str = "all", *, as_json: bool = False) -> int:
    """Print the findings as they come, or all as JSON; the exit code."""
    findings: list[Finding] = []
    for finding in run(check, method):
        if not as_json:
            if not findings or findings[-1].check != finding.check:
                print(f"{finding.check:<54}{'measured':>10}{'at most':>10}", flush=True)
            print(line(finding), flush=True)
        findings.append(finding)
    failed = [finding for finding in findings if not finding.passed]
    if as_json:
        print(json.dumps({"passed": not failed, "findings": [finding.row() for finding in findings]}))
    else:
        print(f"{len(findings) - len(failed)} of {len(findings)} checks passed.")
    return int(bool(failed))
