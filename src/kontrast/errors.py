"""What went wrong, in words. The command line prints the sentence and exits with the class's code.

`printed` is True where another process of the run says the same sentence.
"""


class Unfit(ValueError):
    """The user's command, configuration or data cannot be used as given. Exit code 2."""

    exit_code = 2
    printed = False


class Failed(RuntimeError):
    """The run diverged, collapsed or could not be finished. Exit code 1."""

    exit_code = 1
    printed = False


class Interrupted(KeyboardInterrupt):
    """A signal came where no step or save had to be ended first; the sentence says what is lost (nothing) and what to
    type. Exit code: 128 and the signal's number."""

    def __init__(self, sentence: str, exit_code: int) -> None:
        super().__init__(sentence)
        self.exit_code = exit_code
