"""Which column of a table is what."""

from collections.abc import Mapping, Sequence
from typing import TypedDict


class ReadOptions(TypedDict, total=False):
    """The arguments that every reader of tables takes, all of them optional.

    Attributes:
        time: column of time stamps, numbers or dates. Default: a column called t, time,
            date, year, timestamp, `t_s` and the like, or one that holds dates; said in the
            notes. Without any, the samples are taken as regular.
        columns: observed columns. Default: every numeric column that is nothing else.
        inputs: columns of known inputs.
        targets: columns of what is wanted where that is not what is measured.
        series: column whose value tells several series apart, in any order of rows.
        units: unit of each observed column by name; default what the names say.
        irregular: accept any increasing stamps and keep the steps between them as `dt`.
        learnable: refuse what nothing can be learned from: fewer than 10 samples, a column
            that is constant or has no value. True by default; False to forecast from few
            samples with a model that is there already.
        date_format: how dates of the time column are written, as for `datetime.strptime`, such
            as "%d/%m/%Y". Default: found out, with a note where the numbers leave it open.
        where: what a message begins with; default the file.
    """

    time: str | None
    columns: Sequence[str] | None
    inputs: Sequence[str] | None
    targets: Sequence[str] | None
    series: str | None
    units: Mapping[str, str | None] | None
    irregular: bool
    learnable: bool
    date_format: str | None
    where: str | None
