"""The terminal of a verb, read as a person would: something moves, and what is printed stands on lines of its own."""

import itertools
import os
import pty
import re
import select
import subprocess
import sys
import time

SCRIPT = """
import sys, time
from kontrast import progress
from kontrast.terminal import Progress
with Progress() as shown:
    shown.say("data     understood")
    for _ in progress.passing(range(8), "reading pictures"):
        time.sleep(0.25)
    progress.told("k-means")
    time.sleep(2.5)
    print("the result")
    time.sleep(1.2)
"""


def on_terminal(script):
    """[(seconds, text)] as they came, on a pseudo-terminal of 100 columns."""
    ours, theirs = pty.openpty()
    env = {**os.environ, "COLUMNS": "100", "TERM": "xterm"}
    process = subprocess.Popen([sys.executable, "-c", script], stdin=theirs, stdout=theirs, stderr=theirs, env=env)
    os.close(theirs)
    came, began = [], time.monotonic()
    while time.monotonic() - began < 60:
        if select.select([ours], [], [], 0.1)[0]:
            try:
                text = os.read(ours, 65536).decode()
            except OSError:
                break
            came.append((time.monotonic() - began, text))
        elif process.poll() is not None:
            break
    os.close(ours)
    assert process.wait() == 0
    return came


def test_work_shows_a_sign_of_life_at_least_every_two_seconds_and_results_stand_alone():
    came = on_terminal(SCRIPT)
    text = "".join(part for _, part in came)
    first = next(at for at, part in came if "understood" in part)
    last = next(at for at, part in came if "the result" in part)
    times = [at for at, _ in came if first <= at <= last]
    assert max(later - at for at, later in itertools.pairwise(times)) < 2.0
    assert "reading pictures" in text and "k-means" in text and re.search(r"\d+/8", text)
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text).replace("\r", "\n")
    assert "the result" in plain.split("\n")
    assert "k-means" not in plain[plain.index("the result") :]


def test_nothing_but_lines_when_piped():
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    assert done.stdout == "the result\n" and done.stderr == "data     understood\n"


def test_piped_work_is_told_every_so_often():
    script = SCRIPT.replace("with Progress", "import kontrast.terminal as t; t.LINE_EVERY = 0.7\nwith Progress")
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert re.search(r"reading pictures  \d of 8, about \d+ s left", done.stderr), done.stderr
    assert "k-means" in done.stderr and done.stdout == "the result\n"


def test_verbs_that_do_not_train_import_no_library_of_networks():
    script = (
        "import sys, kontrast.cli, kontrast.commands.embed, kontrast.commands.search, kontrast.commands.evaluate\n"
        "print([m for m in ('timm', 'torchvision', 'transformers', 'sklearn', 'bokeh') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
