"""Every benchmark program still finds what it imports, late imports too, and begins."""

import ast
import json
import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks"
PROGRAMS = sorted(FOLDER.glob("*.py"))
PEERS = {"kornia", "lightly", "open_clip", "pytorch_metric_learning", "sentence_transformers", "webdataset"}
ALL = """
import json, runpy, sys
problems = {}
for program in sys.argv[1:]:
    try:
        runpy.run_path(program, run_name="read")
    except ModuleNotFoundError as problem:
        problems[program] = problem.name.partition(".")[0]
print(json.dumps(problems))
"""


def test_they_begin():
    """All that stands at the top of each, without its `main`; what `make bench` alone installs may be missing."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([*sys.path, str(FOLDER)])}
    command = [sys.executable, "-c", ALL, *map(str, PROGRAMS)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert set(json.loads(done.stdout).values()) <= PEERS


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: path.stem)
def test_what_they_take_of_kontrast_is_there(program):
    for node in ast.walk(ast.parse(program.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "kontrast":
            module = import_module(node.module)
            for alias in node.names:
                if not hasattr(module, alias.name):
                    import_module(f"{node.module}.{alias.name}")
