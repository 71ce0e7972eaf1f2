"""What a check found: what, the bound, what was measured."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """One row of the table. `measured` must not be above `bound`."""

    check: str
    what: str
    measured: float
    bound: float

    @property
    def passed(self) -> bool:
        """A number that is no number never passes."""
        return self.measured <= self.bound

    def row(self) -> dict[str, object]:
        """For --json."""
        return {**vars(self), "passed": self.passed}
