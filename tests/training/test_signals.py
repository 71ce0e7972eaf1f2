"""A polite signal is noted while a run trains and ends what else is done; the handlers are afterwards as they were."""

import os
import signal
import threading

import pytest

from kontrast.errors import Interrupted
from kontrast.training.signals import SIGNALS, caught

CODES = [(signal.SIGHUP, 129), (signal.SIGINT, 130), (signal.SIGTERM, 143)]


@pytest.mark.parametrize("number,code", CODES)
def test_the_exit_code_of_a_signal_is_told(number, code):
    before = signal.getsignal(number)
    with pytest.raises(Interrupted) as told, caught("reading the data") as came, came.noted():
        os.kill(os.getpid(), number)
        assert came.code == code  # it waits, so that the step can end
    assert told.value.exit_code == code and "reading the data" in str(told.value)
    assert signal.getsignal(number) is before


@pytest.mark.parametrize("number,code", CODES)
def test_outside_of_a_step_it_ends_what_is_done(number, code):
    with pytest.raises(Interrupted) as told, caught("reading the data"):
        os.kill(os.getpid(), number)
        raise AssertionError("the signal was swallowed")
    assert told.value.exit_code == code


def test_what_was_ignored_stays_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with caught("training") as came:
            os.kill(os.getpid(), signal.SIGHUP)
        assert came.code == 0
    finally:
        signal.signal(signal.SIGHUP, before)


def test_in_another_thread_the_host_keeps_its_handlers():
    before, seen = [signal.getsignal(number) for number in SIGNALS], []

    def inside():
        with caught("training") as came:
            seen.append((came.code, [signal.getsignal(number) for number in SIGNALS]))

    thread = threading.Thread(target=inside)
    thread.start()
    thread.join()
    assert seen == [(0, before)]
