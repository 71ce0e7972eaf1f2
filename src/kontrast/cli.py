"""The command line: parses, calls, prints. No logic lives here, and torch is imported only when a verb needs it.

Results go to stdout, progress to stderr. Exit codes: 0 done; 1 diverged, collapsed or our failure; 2 wrong usage or
unfit data; 130 and 143 interrupted after saving.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, CycloptsError, Parameter, convert

from kontrast import __version__, strict_json
from kontrast.commands import capture_verbs, index_verbs
from kontrast.commands.index_verbs import Debug, Json, Links
from kontrast.errors import Failed, Interrupted, Unfit
from kontrast.settings import Settings
from kontrast.terminal import Progress, folded, put
from kontrast.training.signals import caught

if TYPE_CHECKING:
    from collections.abc import Callable


def _exact(type_: Any, tokens: Any) -> Any:
    """What was typed, as its type; a part of a whole number is refused, not rounded."""
    if type_ in (int, int | None, list[int] | None):
        for token in tokens:
            if "." in token.value and not float(token.value).is_integer():
                raise ValueError(f"{token.keyword} must be a whole number, got {token.value}.")
    return convert(type_, tokens)


app = App(
    name="kontrast",
    version=__version__,
    help="Learn an embedding model from unlabelled data by contrast, and see whether you can trust it.",
    help_epilogue="First minute: kontrast train digits --method simclr --out runs/digits",
    default_parameter=Parameter(consume_multiple=True, negative=(), converter=_exact),
    result_action="return_value",
    suppress_keyboard_interrupt=False,  # a signal has a sentence of its own
)


@app.command
def train(
    data: str | None = None,
    *,
    settings: Annotated[Settings | None, Parameter(name="*")] = None,
    config: str | None = None,
    resume: str | None = None,
    weights_from: Annotated[str | None, Parameter(name="--from")] = None,
    dry_run: bool = False,
    as_json: Json = False,
    debug: Debug = False,
) -> int:
    """Learn an encoder. Three words suffice: DATA, --method and --out; the rest has sourced defaults, printed first.

    Parameters
    ----------
    data
        A folder of pictures, a .parquet file, or `digits`.
    config
        A run's config.yaml, to repeat that run. Flags win over it.
    resume
        A run folder that was interrupted: goes on to the same bits.
    weights_from
        A run or model folder whose weights this new run begins with.
    dry_run
        Print the plan and every departure from the paper, and stop.
    """
    from kontrast.distributed.processes import first
    from kontrast.run.start import train as learn

    with Progress() as progress:
        run = learn(data, resume=resume, config=config, weights_from=weights_from, dry_run=dry_run, say=progress.say,
                    show=progress.show, **(settings or Settings()).requested())  # fmt: skip
    if not first():
        return run.exit_code
    if as_json:
        print(strict_json.dumps({"run": str(run.path) if run.path else None, "ending": run.ending, **run.summary}))
    elif run.path is not None and run.summary:
        for sentence in (run.summary["verdict"], run.summary.get("learned")):
            if sentence:
                put(folded(sentence, under=0) if sys.stdout.isatty() else sentence)
        put(f"run      {run.path}    report   {run.path / 'report.html'}")
    return run.exit_code


@app.command
def worth(
    data: str,
    *,
    settings: Annotated[Settings | None, Parameter(name="*")] = None,
    minutes: float = 10.0,
    as_json: Json = False,
    debug: Debug = False,
) -> int:
    """Is it worth adapting a trained encoder to DATA? Tries the ways of --tune on a sample, beside the frozen weights.

    Parameters
    ----------
    data
        Pictures: a folder or a table. With --labels or --same the test goes by them.
    minutes
        About how long it may take.
    """
    from kontrast.commands.worth import lines
    from kontrast.run.worth import worth as measured

    with Progress() as progress:
        words = (settings or Settings()).requested()
        result = measured(data, minutes=minutes, say=progress.say, show=progress.show, **words)
    put(strict_json.dumps(result) if as_json else "\n".join(lines(result)))
    return 0


@app.command
def check(
    data: str,
    *,
    against: str | None = None,
    near: float | None = None,
    model: str | None = None,
    seconds: float = 10.0,
    sheet: str | None = None,
    groups: str | None = None,
    broken: str | None = None,
    settings: Annotated[Settings | None, Parameter(name="*", show=False)] = None,
    as_json: Json = False,
    debug: Debug = False,
) -> int:
    """Know the data before the first step: broken, repeated, leaked, odd; what suits them; how long it takes.

    Exit code 2 where they are unfit. All flags of train that say how data are read, and the plan, count here too.

    Parameters
    ----------
    data
        A folder, a table or sentences, as train takes them.
    against
        Other data, such as those of a test: what is in both is counted, and makes these unfit.
    near
        Likeness from which on two samples are nearly the same: 0.9 of looks, 0.7 of words, 0.95 of a model's vectors.
        Another one needs no second scan.
    model
        A run or model folder whose vectors say what is nearly the same.
    seconds
        Of the trial run from which time and memory are told; 0: none.
    sheet
        Write the pictures that were found as one picture.
    groups
        Write a table (.csv above the pictures, or .parquet) whose column `group` holds repeats together, for
        train --same group.
    broken
        Write the names of broken samples, for train --exclude.
    """
    from kontrast.commands.check import Wanted
    from kontrast.commands.check import check as looked

    paths = (None if path is None else Path(path) for path in (sheet, groups, broken))
    lines: list[str] = []
    with Progress():
        wanted = Wanted(against, near, model, seconds, *paths)
        result, code = looked(data, settings or Settings(), wanted, lines.append)
    put(strict_json.dumps(result) if as_json else "\n".join(lines))
    return code


@app.command
def preview(
    data: str,
    *,
    method: str = "simclr",
    out: str,
    epoch: int = 0,
    id: Annotated[list[int] | None, Parameter(help="Sample ids; the first eight if not given.")] = None,
    settings: Annotated[Settings | None, Parameter(name="*", show=False)] = None,
    debug: Debug = False,
) -> int:
    """Draw the views that training would see, before a minute is spent: the same views for the same seed and epoch."""
    from kontrast.commands.preview import preview as draw

    for line in draw(data, Path(out), epoch=epoch, ids=id, method=method, **(settings or Settings()).requested()):
        put(line)
    return 0


@app.command
def evaluate(
    model: str,
    data: str,
    *,
    protocol: list[str] | None = None,
    knn: bool = False,
    linear: bool = False,
    kmeans: bool = False,
    few_label: bool = False,
    views: bool = False,
    sts: bool = False,
    retrieval: bool = False,
    zero_shot: bool = False,
    classes: str | None = None,
    templates: str | None = None,
    split: str | None = None,
    labels: str | None = None,
    train_data: str | None = None,
    follow_links: Links = False,
    seed: int = 0,
    as_json: Json = False,
    debug: Debug = False,
) -> int:
    """Measure an encoder beside random weights and raw input. With no protocol named, all that fit the data.

    Parameters
    ----------
    model
        A run folder or a model folder.
    data
        What to test on; a folder of tables with scored pairs of sentences is a table of STS sets and their average.
    protocol
        NAME or NAME,NAME: knn, linear, kmeans, few_label, zero_shot, sts, retrieval, views. Each has a flag of its own.
    classes
        For zero-shot: the column with the names, or a text file with a name a line.
    templates
        For zero-shot: 80 or 7 (OpenAI's sentences), or a text file with a sentence a line, {} for the class.
    split
        Value of the `split` column; `test` if there is one.
    labels
        `folder`, or the column with the names.
    train_data
        Labelled data that neighbours and probes may learn from.
    """
    from kontrast.commands.evaluate import evaluate as measure

    asked = {"knn": knn, "linear": linear, "kmeans": kmeans, "few_label": few_label, "views": views,
             "sts": sts, "retrieval": retrieval, "zero_shot": zero_shot}  # fmt: skip
    names = [name for words in protocol or () for name in words.split(",") if name]
    names += [name for name, wanted in asked.items() if wanted and name not in names]
    result, lines = measure(
        model,
        data,
        protocols=names or None,
        split=split,
        labels=labels,
        train_data=train_data,
        classes=classes,
        templates=templates,
        follow_links=follow_links,
        seed=seed,
    )
    if as_json:
        print(strict_json.dumps(result))
    else:
        put("\n".join(lines))
    return 0


@app.command
def embed(
    run: str,
    data: str,
    *,
    out: Annotated[str, Parameter(name=["--out", "-o"])],
    split: str | None = None,
    follow_links: Links = False,
    debug: Debug = False,
) -> int:
    """Write one vector per sample: FILE.npy with FILE.csv beside it (row, name), or FILE.parquet."""
    from kontrast.commands.embed import embed as write

    for line in write(run, data, Path(out), split=split, follow_links=follow_links):
        put(line)
    return 0


@app.command
def search(
    run: str,
    data: str | None = None,
    *,
    query: Annotated[list[str] | None, Parameter(consume_multiple=False)] = None,
    queries: str | None = None,
    k: Annotated[int, Parameter(name=["--k", "-k"])] = 10,
    where: str | None = None,
    sheet: str | None = None,
    split: str | None = None,
    model: str | None = None,
    precision: str | None = None,
    width: int = 0,
    follow_links: Links = False,
    as_json: Json = False,
    debug: Debug = False,
) -> int:
    """Find what is alike, exactly: the k nearest samples of DATA, or rows of an INDEX, to words, a picture or a row.

    Parameters
    ----------
    run
        A run or model folder, and DATA to search; or the folder of an index alone.
    query
        Words (for a model that reads them), a picture or text file, or the row number of a sample. Of an index, also
        several: --query A --query B.
    queries
        Of an index: a text file with a query a line.
    where
        Of an index: a condition over its columns in SQL, such as "label = 'cat' and split = 'test'".
    sheet
        Write the query and what was found as one picture.
    model
        Of an index: the folder of its model, where that has moved.
    precision
        Of an index: find candidates in its smaller vectors, int8, binary or float16; rank them by the stored ones.
    width
        Of these, the columns that were kept; all if not given.
    """
    from kontrast.commands.search import asked_of

    how = {"queries": queries, "where": where, "split": split, "model": model, "precision": precision}
    drawn = Path(sheet) if sheet else None
    found = asked_of(
        run,
        data,
        [query] if isinstance(query, str) else query or [],
        k=k,
        sheet=drawn,
        width=width,
        follow_links=follow_links,
        **how,
    )
    if as_json:
        print(strict_json.dumps(found[0] if len(found) == 1 else found))
        return 0
    for one in found:
        put(f"nearest to {one['query']} among {one['searched']:,}:")
        for hit in one["hits"]:
            put(f"{hit['score']:7.4f}  {hit['row']:>7}  {hit['name']}")
        if "recall_at_10" in one:
            put(f"recall   {one['recall_at_10']:.3f} of the true ten nearest are found (measured on rows of the index)")
    if sheet:
        put(f"sheet    {sheet}")
    return 0


for verb in (*index_verbs.VERBS, *capture_verbs.VERBS):
    app.command(verb)


@app.command
def export(
    run: str,
    *,
    to: str,
    out: Annotated[str, Parameter(name=["--out", "-o"])],
    debug: Debug = False,
) -> int:
    """Write a trained model in another format, read it again and compare: no difference is taken on trust.

    Parameters
    ----------
    run
        A run folder or a model folder.
    to
        timm, transformers, sentence-transformers, torchvision, open_clip, onnx, or standalone (its own encoder.py).
    out
        The folder to write, which must not exist yet.
    """
    from kontrast.commands.export import export as write

    for line in write(run, to, Path(out)):
        put(line)
    return 0


@app.command(name="import")
def import_(
    weights: str,
    *,
    out: Annotated[str, Parameter(name=["--out", "-o"])],
    name: Annotated[str | None, Parameter(name="--as")] = None,
    stem: str | None = None,
    pixels: str | None = None,
    size: int | None = None,
    mean: str | None = None,
    std: str | None = None,
    interpolation: str | None = None,
    crop: float | None = None,
    debug: Debug = False,
) -> int:
    """Make a model folder of published weights (MoCo, SwAV, lightly, VISSL ...), every tensor accounted for.

    Parameters
    ----------
    weights
        A file of theirs: .pth, .pt, .tar, .ckpt or .safetensors. Of pickles nothing but tensors is read.
    out
        The folder to write, which must not exist yet.
    name
        The network, by timm's or torchvision's name; a ResNet is known by its tensors.
    stem
        cifar: a 3x3 first convolution, padding 1, without a max-pool; no file tells.
    pixels
        imagenet: 224 pixels cut from 256, bilinear, ImageNet's mean and std. Where the publisher fixes them, known.
    size
        Side in pixels of what the network saw.
    mean
        Such as 0.485,0.456,0.406, of pixels from 0 to 1.
    std
        The same.
    interpolation
        bicubic, bilinear or nearest.
    crop
        Share of the resized side that is cut out, such as 0.875 for 224 of 256.
    """
    from kontrast.commands.import_weights import import_weights, numbers

    look: dict[str, Any] = {"preset": pixels, "size": size, "interpolation": interpolation, "crop_pct": crop}
    look |= {"mean": numbers("--mean", mean), "std": numbers("--std", std)}
    for line in import_weights(weights, out, name=name, stem=stem, **look):
        put(line)
    return 0


@app.command
def methods(name: str | None = None, *, debug: Debug = False) -> int:
    """List the methods, or show one: its card, its published recipes and every number with its source.

    Parameters
    ----------
    name
        One of the list, or FILE.py with a method of your own.
    """
    from kontrast.recipes.listing import about, listed

    print(about(name) if name else listed())
    return 0


@app.command
def verify(check: str | None = None, *, method: str = "all", as_json: Json = False, debug: Debug = False) -> int:
    """Check on this machine what kontrast promises. All checks take about two minutes; exit code 1 if one fails.

    Parameters
    ----------
    check
        contract, gradients, chunks, resume, views, numerics, chance or crash; all of them if not given.
    method
        One method, all of ours, or FILE.py with a method of your own.
    """
    from kontrast import verify as checks

    return checks.shown(check, method, as_json=as_json)


@app.command
def info(*, as_json: Json = False, debug: Debug = False) -> int:
    """Versions, processor, devices: what to put into a bug report."""
    from kontrast.training.run_folder import environment

    found = environment()
    if as_json:
        print(strict_json.dumps(found))
    else:
        for name, value in {**{k: v for k, v in found.items() if k != "packages"}, **found["packages"]}.items():
            print(f"{name:<16}{value}")
    return 0


def main(words: list[str] | None = None) -> None:
    """The entry point: every mistake of the user ends in a sentence and an exit code, never in a traceback."""
    words = sys.argv[1:] if words is None else words
    debug = "--debug" in words
    with Progress():
        code = _exit_code(lambda: app(words, exit_on_error=False, print_error=False), debug)
    sys.exit(code)


def _exit_code(call: Callable[[], Any], debug: bool) -> int:
    try:
        with caught(""):
            return call() or 0
    except CycloptsError as problem:
        put(f"kontrast: {problem}", file=sys.stderr)
        return 2
    except (Unfit, Failed) as problem:
        if debug:
            raise
        if not problem.printed:
            put(f"kontrast: {_who()}{problem}", file=sys.stderr)
        return problem.exit_code
    except Interrupted as problem:
        if not _who():
            print(f"kontrast: {problem}", file=sys.stderr)
        return problem.exit_code
    except PermissionError as problem:
        if debug:
            raise
        print(f"kontrast: {_who()}{problem.filename}: permission denied.", file=sys.stderr)
        return 2
    except BrokenPipeError:
        return 0
    except Exception as problem:
        if debug:
            raise
        put(
            f"kontrast: {_who()}failed inside: {type(problem).__name__}: {problem}. Show where with --debug.",
            file=sys.stderr,
        )
        return 1


def _who() -> str:
    """Which of several processes speaks, where it is not the first one."""
    place = os.environ.get("RANK", "0") if "WORLD_SIZE" in os.environ else "0"
    return "" if place == "0" else f"process {place}: "


if __name__ == "__main__":
    main()
