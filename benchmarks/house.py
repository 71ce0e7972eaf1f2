"""How the house stands: rooms, floors, circles, long functions, of the source here or beside an old commit.

    python benchmarks/house.py [OLD_COMMIT]

room      a folder under src/kontrast, or a file beside them; the folders in OWN are rooms by themselves
floors    rooms on the longest way down from one to what it imports; a circle of rooms counts as one
circles   rooms, or modules, that import each other on any way, imports inside functions included. A folder and the
          rooms within it are no circle: data/source.py lies beneath data/readers, data/open.py above
Imports under `if TYPE_CHECKING` run nothing: they are counted by themselves, and so are the circles with them. Modules
that are named in a string (the package's lazy names, a method by its name) are not seen.
"""

from __future__ import annotations

import argparse
import ast
import io
import subprocess
import sys
import tarfile
from collections.abc import Iterator, Mapping
from graphlib import TopologicalSorter
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent
OWN = {
    "positives": {"images", "texts", "novel_views"},
    "encoders": {"images", "text", "clip"},
    "losses": {"engine"},
    "data": {"pixels", "readers"},
    "modalities": {"images", "texts", "pairs"},
}
DOORS = {"", "__main__"}  # of the package itself, for `import kontrast` and `python -m kontrast`: no rooms
FREE = {"losses", "losses/engine", "cli", "commands"}  # there an equation or a flag decides how many arguments it takes
LINES, ARGUMENTS = 60, 8
SKIP = "# fmt: " + "skip"  # in two parts, or this file would count itself
TARGETS = {"floors": 12, "circles of rooms": 0, "circles of modules": 0, "functions > 8 arguments elsewhere": 5}
TARGETS |= {SKIP: 15}

Files = Mapping[str, str]  # path below src/kontrast, such as data/source.py -> text
Graph = dict[str, set[str]]  # name -> the names it imports


def here() -> Files:
    """The source as it lies here."""
    root = HERE / "src" / "kontrast"
    return {str(path.relative_to(root)): path.read_text() for path in sorted(root.rglob("*.py"))}


def of_commit(commit: str) -> Files:
    """The source of a commit."""
    packed = subprocess.run(["git", "-C", HERE, "archive", commit, "src/kontrast"], check=False, capture_output=True)
    if packed.returncode:
        sys.exit(f"OLD_COMMIT {commit}: git has no source of it: {packed.stderr.decode().strip()}")
    with tarfile.open(fileobj=io.BytesIO(packed.stdout)) as archive:
        read = {file.name: archive.extractfile(file) for file in archive if file.name.endswith(".py")}
        return {name.removeprefix("src/kontrast/"): file.read().decode() for name, file in read.items() if file}


def module(path: str) -> str:
    """data/source.py -> data.source; data/__init__.py -> data; __init__.py -> "" (the package)."""
    return path.removesuffix(".py").removesuffix("__init__").strip("/").replace("/", ".")


def room(path: str) -> str:
    """The room of a file: data/readers/columns.py -> data/readers; data/source.py -> data; cli.py -> cli."""
    first, *rest = path.removesuffix(".py").split("/")
    return f"{first}/{rest[0]}" if len(rest) > 1 and rest[0] in OWN.get(first, ()) else first


def imports(path: str, text: str, modules: set[str]) -> Iterator[tuple[str, bool]]:
    """(module of ours, whether only for types) of every import in a file, late ones too."""
    tree = ast.parse(text)
    for_types = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for inner in ast.walk(node)
    }
    package = ["kontrast", *path.split("/")[:-1]]
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            begin = ".".join([*above, *([node.module] if node.module else [])])
            names = [f"{begin}.{alias.name}" for alias in node.names]
        for name in names:
            if name.split(".")[0] == "kontrast":
                yield nearest(name.removeprefix("kontrast").strip("."), modules), id(node) in for_types


def nearest(name: str, modules: set[str]) -> str:
    """The module that holds a name: losses.nt_xent is in losses, where no module is called so."""
    while name not in modules:
        name = name.rpartition(".")[0]
    return name


def graph(files: Files, *, types: bool) -> Graph:
    """What each module imports, with what it needs only for types or without."""
    modules = {module(path) for path in files}
    return {
        module(path): {name for name, typed in imports(path, text, modules) if types or not typed} - {module(path), ""}
        for path, text in files.items()
        if module(path) not in DOORS
    }


def rooms(files: Files, of_modules: Graph) -> Graph:
    """The same between rooms. That the door of a folder (its __init__) opens into a room within it is no arrow."""
    at = {module(path): room(path) for path in files if module(path) not in DOORS}
    doors = {module(path) for path in files if path.endswith("__init__.py")}
    found: Graph = {where: set() for where in at.values()}
    for name, needs in of_modules.items():
        within = {at[other] for other in needs if name in doors and at[other].startswith(f"{at[name]}/")}
        found[at[name]] |= {at[other] for other in needs} - within - {at[name]}
    return found


def reached(of: Graph) -> Graph:
    """Everything that is reached from each name in one arrow or more."""
    found = {}
    for name in of:
        seen: set[str] = set()
        left = list(of[name])
        while left:
            if (one := left.pop()) not in seen:
                seen.add(one)
                left += of[one]
        found[name] = seen
    return found


def circles(of: Graph) -> list[tuple[str, ...]]:
    """Groups of names that all reach each other."""
    to = reached(of)
    return sorted({tuple(sorted({one} | {o for o in to[one] if one in to[o]})) for one in of if one in to[one]})


def way_down(of: Graph) -> list[str]:
    """The longest way down from a name to what it imports, a circle as one: as many floors as it has names."""
    merged = {name: name for name in of} | {name: circle[0] for circle in circles(of) for name in circle}
    whole: Graph = {name: set() for name in merged.values()}
    for name, needs in of.items():
        whole[merged[name]] |= {merged[other] for other in needs} - {merged[name]}
    below: dict[str, list[str]] = {}
    for name in TopologicalSorter(whole).static_order():
        below[name] = [name, *max((below[other] for other in sorted(whole[name])), key=len, default=[])]
    return max(below.values(), key=len)


def functions(files: Files) -> Iterator[tuple[str, str, int, int]]:
    """(room, path:name, lines, arguments) of every function; self and cls are no arguments."""
    for path, text in files.items():
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                a = node.args
                names = [one.arg for one in (*a.posonlyargs, *a.args, *a.kwonlyargs, a.vararg, a.kwarg) if one]
                count = len([name for name in names if name not in ("self", "cls")])
                yield room(path), f"{path}:{node.name}", (node.end_lineno or 0) - node.lineno + 1, count


def counted(files: Files) -> tuple[dict[str, int], list[str]]:
    """(the numbers of the table, what to name below it)."""
    running, typed = graph(files, types=False), graph(files, types=True)
    between, made = rooms(files, running), list(functions(files))
    long = [(name, lines) for _, name, lines, _ in made if lines > LINES]
    wide = [(where, name, count) for where, name, _, count in made if count > ARGUMENTS]
    elsewhere = [one for one in wide if one[0] not in FREE]
    apart = [one for one in circles(between) if len({name.split("/")[0] for name in one}) > 1]
    table = {
        "files": len(files),
        "lines": sum(len(text.splitlines()) for text in files.values()),
        "rooms": len(between),
        "arrows between rooms": sum(map(len, between.values())),
        "floors": len(way_down(between)),
        "circles of rooms": len(apart),
        "circles of modules": len(circles(running)),
        "imports for types alone": sum(len(typed[name] - running[name]) for name in typed),
        "circles of modules with them": len(circles(typed)),
        f"functions > {LINES} lines": len(long),
        f"functions > {ARGUMENTS} arguments": len(wide),
        f"functions > {ARGUMENTS} arguments elsewhere": len(elsewhere),
        SKIP: sum(text.count(SKIP) for text in files.values()),
    }
    told = [f"a longest way down: {' > '.join(way_down(between))}"]
    told += [f"circle of rooms: {' '.join(one)}" for one in apart]
    told += [f"circle of modules: {' '.join(one)}" for one in circles(running)]
    told += [f"circle with imports for types: {' '.join(one)}" for one in circles(typed) if one not in circles(running)]
    told += [f"{name} has {lines} lines" for name, lines in long]
    for where in sorted({where for where, _, _ in wide}):
        told.append(f"{where}: " + ", ".join(f"{name.split(':')[1]} {n}" for at, name, n in wide if at == where))
    return table, told


def main() -> None:
    """Count and say it; exit code 1 where a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("old", metavar="OLD_COMMIT", nargs="?")
    commit = parser.parse_args().old
    now, told = counted(here())
    before = counted(of_commit(commit))[0] if commit else {}
    print(f"{'':36}{commit or '':>10}{'here':>8}{'target':>8}")
    for name, value in now.items():
        most = f"<= {TARGETS[name]}" if name in TARGETS else ""
        print(f"{name:36}{before.get(name, ''):>10}{value:>8}{most:>8}")
    print("\n".join(["", *told]))
    sys.exit(any(now[name] > most for name, most in TARGETS.items()))


if __name__ == "__main__":
    main()
