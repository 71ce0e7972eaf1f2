"""The verb about captures: it parses, calls and prints as those of `cli`, which adds it. No torch before a call."""

from __future__ import annotations

from typing import Annotated, Any

from cyclopts import Parameter

from kontrast import strict_json
from kontrast.commands.index_verbs import Debug, Json
from kontrast.terminal import Progress, put


def views3d(
    capture: str | None = None,
    *,
    out: Annotated[str | None, Parameter(name=["--out", "-o"])] = None,
    views: int | None = None,
    angle: str | None = None,
    minutes: float | None = None,
    background: str | None = None,
    poses: str | None = None,
    side: int | None = None,
    seed: int | None = None,
    resume: str | None = None,
    as_json: Json = False,
    debug: Debug = False,
) -> int:
    """Render other views of an object from posed photos (a radiance field, a NeRF), as positives for train --same.

    Parameters
    ----------
    capture
        A folder of photos with transforms.json or a COLMAP text model, or a folder of such folders.
    out
        The folder to write: pictures and the table metadata.csv, which train reads.
    views
        Renders of each object; as many as it has photos if not given. 0: pairs of the photos alone, no field.
    angle
        LOW..HIGH in degrees between the two of a pair; 5..40 if not given.
    minutes
        About how long it may take in all; 20 if not given. Minutes and dB to be expected are said before the start.
    background
        scene, or what lies behind a cut-out object: white, black, random. By the photos if not given.
    poses
        Axes of transforms.json: opengl or opencv.
    side
        Pixels of the longer side that photos are reduced to; 256 if not given.
    resume
        A folder that was interrupted: goes on to the same bits.
    """
    from kontrast.commands.views3d import views3d as made

    said = {"views": views, "angle": angle, "minutes": minutes, "background": background, "poses": poses}
    words: dict[str, Any] = {**said, "side": side, "seed": seed}
    with Progress() as progress:
        words = {name: value for name, value in words.items() if value is not None}
        summary, lines = made(capture, out, resume=resume, say=progress.say, **words)
    put(strict_json.dumps(summary) if as_json else "\n".join(lines))
    return 0


VERBS = (views3d,)
