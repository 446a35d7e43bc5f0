"""What a forecast is refused for: horizons that are none, numbers that are not finite."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float

from rekal.errors import RekalError
from rekal.forecast.drive import check_horizons


def steps_of(horizon: Any) -> tuple[int, ...]:
    """The steps of a forecast: a number means every step up to it, several numbers mean those.

    Raises:
        RekalError: as for `check_horizons`.
    """
    if isinstance(horizon, list | tuple | range) or np.ndim(horizon) > 0:
        return check_horizons(horizon)
    (last,) = check_horizons(horizon)
    return tuple(range(1, last + 1))


def check_finite_forecast(
    means: Float[np.ndarray, "origins horizons particles obs"],
    path: Float[np.ndarray, "origins horizons obs"],
    horizons: tuple[int, ...],
    cov: Float[np.ndarray, "origins horizons obs obs"] | None = None,
) -> None:
    """Everything that is forecast is a number.

    Raises:
        RekalError: something is NaN or infinite; the sentence names the first horizon at which.
    """
    finite = np.isfinite(means).all((0, 2, 3)) & np.isfinite(path).all((0, 2))
    if cov is not None:
        finite &= np.isfinite(cov).all((0, 2, 3))
    if not finite.all():
        first = horizons[int(np.argmin(finite))]
        raise RekalError(
            f"the forecast {first} steps ahead is beyond the numbers of {means.dtype}: the model "
            "explodes, or the belief that it starts from is not finite"
        )
