"""A network that watches films and was trained elsewhere, as a `Fit`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rekalman.data.building import default_names
from rekalman.data.filmed import pixel_names
from rekalman.data.scales.standardiser import Standardiser
from rekalman.fitting.history import History
from rekalman.fitting.result import Fit
from rekalman.forecasting import Labels
from rekalman.networks.film import FilmNetwork
from rekalman.networks.network import Network


def film_fit(
    network: Network,
    names: Sequence[str] = (),
    input_names: Sequence[str] = (),
    interval: int | float | None = None,
) -> Fit:
    """A `Fit` of a trained network, which then filters films, forecasts, follows a camera and is saved.

    Args:
        network: trained on `Frames` by `Backprop.run`, or read by `rekalman.load_network`; what it tells is
            in the units of their targets.
        names: of the targets; default y, or y1, y2, ..., of images "pixel 0,0" and so on
        input_names: of its inputs; default u, or u1, u2, ...
        interval: the time step that it knows as 1, for a network that was trained on times.

    Raises:
        RekalError: other numbers of names than of targets or inputs.

    Examples:
        >>> import jax
        >>> import numpy as np
        >>> import rekalman
        >>> keys = jax.random.split(jax.random.key(0), 3)
        >>> layer = rekalman.Elman.create(4, key=keys[0])
        >>> encoder = rekalman.PatchEncoder((8, 8, 1), 4, key=keys[1])
        >>> network = rekalman.Network(encoder, layer, rekalman.GaussianHead(*layer.sizes, 1, key=keys[2]))
        >>> camera = rekalman.film_fit(network, ("angle",)).stream()
        >>> camera.update(np.zeros((8, 8, 1), np.uint8))
        >>> camera.update(None)  # a frame is missing
        >>> camera.estimate().mean.shape, camera.forecast(3).mean.shape
        ((1, 1, 1), (1, 3, 1))
    """
    step = None if interval is None else float(interval)
    algorithm = FilmNetwork.of(network, step)
    obs, inputs, shape = algorithm.observations, algorithm.n_inputs, network.target_shape
    usual = pixel_names(shape) if len(shape) > 1 else None
    scales = (np.zeros(inputs), np.ones(inputs)) if inputs else (None, None)
    return Fit(
        algorithm=algorithm,
        standardiser=Standardiser(np.zeros(obs), np.ones(obs), *scales),
        history=History(np.zeros(0), (), "epochs", 0.0, 0),
        seed=0,
        labels=Labels(
            names=default_names(tuple(names) or usual, obs, "y", "names"),
            units=(None,) * obs,
            series_names=(),
            time_name=None,
            time_unit=None,
            time_kind="step",
            time_origin=None,
            interval=step or 1.0,
        ),
        input_names=default_names(tuple(input_names) or None, inputs, "u", "input_names"),
    )
