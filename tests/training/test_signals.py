"""A polite signal is caught while a run goes, and the handlers are afterwards as they were."""

import os
import signal
import threading

import pytest

from kontrast.training.signals import caught_signals


@pytest.mark.parametrize("number,code", [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_the_exit_code_of_a_signal_is_told(number, code):
    before = signal.getsignal(number)
    with caught_signals() as caught:
        assert caught == []
        os.kill(os.getpid(), number)
        assert caught == [code]
    assert signal.getsignal(number) is before


def test_in_another_thread_the_host_keeps_its_handlers():
    before, seen = signal.getsignal(signal.SIGTERM), []

    def inside():
        with caught_signals() as caught:
            seen.append((caught, signal.getsignal(signal.SIGTERM)))

    thread = threading.Thread(target=inside)
    thread.start()
    thread.join()
    assert seen == [([], before)]
