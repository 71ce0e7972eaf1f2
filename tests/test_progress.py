"""Work tells how far it is, to whoever listens in this thread and to nobody else."""

import threading

from kontrast import progress


def test_items_pass_and_are_told_in_turn():
    heard = []
    with progress.listening(lambda *what: heard.append(what)):
        assert list(progress.passing("abc", "letters")) == ["a", "b", "c"]
        assert list(progress.passing(iter([1, 2]), "batches", each=4, total=7)) == [1, 2]
        progress.told("k-means")
    assert heard == [("letters", 0, 3), ("letters", 1, 3), ("letters", 2, 3), ("letters", 3, 3),
                     ("batches", 0, 7), ("batches", 4, 7), ("batches", 7, 7), ("k-means", 0, 0)]  # fmt: skip


def test_nobody_listens_outside_nor_in_another_thread():
    heard = []
    with progress.listening(lambda *what: heard.append(what)):
        thread = threading.Thread(target=progress.told, args=("elsewhere",))
        thread.start()
        thread.join()
    progress.told("afterwards")
    assert heard == []
