"""Errors that are told to a person in one sentence."""


class OperatorError(Exception):
    """Something only the person running Takin can mend.

    The message is one sentence that says what is wrong and what to do. The command line prints
    it without a traceback and exits with ``exit_code``.
    """

    def __init__(self, sentence: str, *, exit_code: int = 2) -> None:
        super().__init__(sentence)
        self.exit_code = exit_code
