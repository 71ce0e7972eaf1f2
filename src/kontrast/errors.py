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
