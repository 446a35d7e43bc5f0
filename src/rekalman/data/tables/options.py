"""Which column of a table is what."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypedDict

from rekalman.foundation.suggest import choices


class ReadOptions(TypedDict, total=False):
    """The arguments that every reader of tables takes, all of them optional.

    Attributes:
        time: column of time stamps, numbers or dates. Default: a column called t, time,
            date, ds, year, timestamp, `t_s` and the like, or one that holds dates; said in the
            notes. Without any, the samples are taken as regular.
        default_time: column of time stamps where there is one of that name and `time` says nothing, such as
            that of the training data.
        columns: observed columns. Default: every numeric column that is nothing else.
        inputs: columns of known inputs.
        targets: columns of what is wanted where that is not what is measured.
        series: column whose value tells several series apart, in any order of rows. Default: one called
            unique_id, series_id, item_id or series, or the level beside the dates of an index of two levels;
            said in the notes.
        default_series: column that tells several series apart where there is one of that name and `series`
            says nothing, such as that of the training data.
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
    default_time: str | None
    columns: Sequence[str] | None
    inputs: Sequence[str] | None
    targets: Sequence[str] | None
    series: str | None
    default_series: str | None
    units: Mapping[str, str | None] | None
    irregular: bool
    learnable: bool
    date_format: str | None
    where: str | None


def check_options(given: Mapping[str, Any], more: Sequence[str] = ()) -> None:
    """Refuse arguments that no reader of tables knows.

    Args:
        given: the arguments by name.
        more: names that a reader knows besides those of `ReadOptions`.

    Raises:
        TypeError: the first such argument; names the nearest that there is.
    """
    known = [*ReadOptions.__annotations__, *more]
    for name in given:
        if name not in known:
            raise TypeError(f"there is no argument '{name}': {choices(name, known)}")


def as_names(given: Mapping[str, Any]) -> ReadOptions:
    """The same options with names of columns as text, and a single one as a list of one."""
    options: dict[str, Any] = dict(given)
    for name in ("time", "series", "default_time", "default_series"):
        if options.get(name) is not None:
            options[name] = str(options[name])
    for name in ("columns", "inputs", "targets"):
        if options.get(name) is not None:
            alone = isinstance(options[name], str) or not isinstance(options[name], Iterable)
            several = [options[name]] if alone else options[name]
            options[name] = [str(each) for each in several]
    return ReadOptions(**options)
