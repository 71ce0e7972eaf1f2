"""What is said aloud about pictures, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kontrast.data.pixels.store import InMemory, Pictures, Skipped


def described(
    shapes: Mapping[tuple[int, int], int],
    *,
    grey: int,
    channels: int,
    depths: Mapping[int, int],
    bits: int,
    skipped: Sequence[Skipped] = (),
) -> list[str]:
    """What a user should know about the pictures, a line each."""
    count = sum(shapes.values())
    lines = [f"{count:,} pictures, {_sizes(shapes)}, {_colour(grey, count, channels)}, {bits}-bit"]
    if len(depths) > 1:
        lines[0] += f" ({depths[24 - bits]:,} {24 - bits}-bit ones rescaled)"
    if skipped:
        first = skipped[0]
        lines.append(f"{len(skipped):,} skipped; the first is {shown(first.name)}: {first.reason}")
    return lines


def shown(name: str) -> str:
    """A file name that any terminal can print."""
    return name.encode("utf-8", "backslashreplace").decode()


def _sizes(shapes: Mapping[tuple[int, int], int]) -> str:
    if len(shapes) == 1:
        height, width = next(iter(shapes))
        return f"all {width} x {height}"
    sides = [min(shape) for shape in shapes]
    return f"{len(shapes):,} sizes, shorter side {min(sides):,} to {max(sides):,}"


def _colour(grey: int, count: int, channels: int) -> str:
    if channels == 1:
        return "grey" if grey == count else f"grey ({count - grey:,} coloured ones turned grey)"
    return "RGB" if grey == 0 else f"RGB ({grey:,} grey ones repeated to three channels)"


def where_kept(on_demand: bool, memory: int) -> list[str]:
    """Why the pictures are not in memory, where they are not."""
    if not on_demand:
        return []
    return [f"decoded when needed: they would take more than {memory / 2**30:.3g} GiB decoded"]


def advice(share_waited: float, pictures: Pictures | None, workers: int, cores: int) -> str:
    """What to do about waiting for data, in a sentence; empty when less than a tenth of the time goes there."""
    if share_waited < 0.1:
        return ""
    waits = f"{share_waited:.0%} of the time goes into reading data and drawing views"
    if isinstance(pictures, InMemory):
        return f"{waits}; the pictures are in memory, so drawing is slow (exact more than fast): a GPU helps."
    if workers < cores:
        return f"{waits}; decoding is the slow part: try --workers {cores}."
    return f"{waits}; decoding is the slow part and all {cores} cores work on it: store the pictures smaller."
