"""The one exception that rekalman raises on purpose."""

from rekalman.foundation.printable import printable


class RekalError(ValueError):
    """What was asked cannot be done, said in one clear sentence.

    Every refusal of rekalman is of this class, so that a program can catch it and the
    command line can print it without a traceback and end with exit code 2. It is a `ValueError`, which
    programs that know nothing of rekalman catch. Control characters in names that
    the sentence quotes are written out, so that it can be printed anywhere.

    Examples:
        >>> import rekalman
        >>> try:
        ...     rekalman.load_example("nil")
        ... except rekalman.RekalError as error:
        ...     print(error)
        There is no example 'nil'; there are sunspots, nile, lynx.
    """

    def __init__(self, *sentence: object) -> None:
        super().__init__(*(printable(part) for part in sentence))
