"""What went wrong, in words. The command line prints the sentence and exits with the class's code.

`printed` is True where another process of the run says the same sentence. Names of files and columns are other people's
words: whatever they hold, a sentence is one line that any terminal can show.
"""

import unicodedata


def shown(text: str, keep: str = "") -> str:
    """Text that any terminal can print: every control, escape and half a letter as \\xNN or \\uNNNN.

    A byte of a file name that is not UTF-8 stands as the byte it is, \\xe9. keep: characters left as they are.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in keep or _harmless(c) else _escaped(c) for c in text)


def _harmless(char: str) -> bool:
    """Blanks of other widths, and joiners that make one emoji of several and letters of Persian and Hindi."""
    return char in "\u200c\u200d" or unicodedata.category(char) == "Zs"


def _escaped(char: str) -> str:
    if "\udc80" <= char <= "\udcff":  # a byte that Python could not decode
        return f"\\x{ord(char) - 0xDC00:02x}"
    return char.encode("unicode_escape").decode()


class Unfit(ValueError):
    """The user's command, configuration or data cannot be used as given. Exit code 2."""

    exit_code = 2
    printed = False

    def __init__(self, sentence: object = "") -> None:
        super().__init__(shown(str(sentence)))


class Failed(RuntimeError):
    """The run diverged, collapsed or could not be finished. Exit code 1."""

    exit_code = 1
    printed = False

    def __init__(self, sentence: object = "") -> None:
        super().__init__(shown(str(sentence)))


class Interrupted(KeyboardInterrupt):
    """A signal came where no step or save had to be ended first; the sentence says what is lost (nothing) and what to
    type. Exit code: 128 and the signal's number."""

    def __init__(self, sentence: str, exit_code: int) -> None:
        super().__init__(sentence)
        self.exit_code = exit_code
