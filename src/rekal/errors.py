"""The one exception that rekal raises on purpose."""


class RekalError(Exception):
    """What was asked cannot be done, said in one clear sentence.

    Every refusal of rekal is of this class, so that a program can catch it and the
    command line can print it without a traceback and end with exit code 2.
    """
