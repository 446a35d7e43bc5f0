"""The one exception that rekal raises on purpose."""

from rekal.foundation.printable import printable


class RekalError(ValueError):
    """What was asked cannot be done, said in one clear sentence.

    Every refusal of rekal is of this class, so that a program can catch it and the
    command line can print it without a traceback and end with exit code 2. It is a `ValueError`, which
    programs that know nothing of rekal catch. Control characters in names that
    the sentence quotes are written out, so that it can be printed anywhere.

    Examples:
        >>> import rekal
        >>> try:
        ...     rekal.load_example("nil")
        ... except rekal.RekalError as error:
        ...     print(error)
        There is no example 'nil'; there are sunspots, nile, lynx.
    """

    def __init__(self, *sentence: object) -> None:
        super().__init__(*(printable(part) for part in sentence))
