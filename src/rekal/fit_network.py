"""A trained network on tables: a `Fit` whose likelihood and forecasts are those the network tells."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import numpy as np

from rekal.arguments import seed_of
from rekal.errors import RekalError
from rekal.filters.corrected import CorrectedTable
from rekal.fit_base import BaseFit, Data
from rekal.forecasting import Labels
from rekal.history import History
from rekal.learning.batch import as_batch
from rekal.models.serial import model_arrays, model_config
from rekal.networks.recurrent import count_parameters
from rekal.networks.serial import network_arrays, network_config
from rekal.networks.table import TableNetwork, TablePath
from rekal.placing import first_steps
from rekal.posterior import Predictions
from rekal.precision import in_own_precision
from rekal.printable import printable, printable_line
from rekal.sequences import Sequences
from rekal.sequences.panel import Panel
from rekal.sequences.standardiser import Standardiser
from rekal.simulation_filter import simulate_filter


class NetworkFit(BaseFit):
    """A trained network together with the units of the data it was trained on.

    The network speaks of standardised data; every method takes and returns raw units.

    Attributes:
        table: the network as a filter of rows.
        standardiser: from raw to standardised units and back.
        history: how it was found.
        seed: start of all randomness.
        labels: names, units and clock of the training data.
        input_names: names of its inputs.
        kind: "rkn", "lstm", "gru" or "elman".
    """

    table: TableNetwork
    standardiser: Standardiser | Panel
    history: History
    seed: int = eqx.field(static=True)
    labels: Labels = eqx.field(static=True)
    input_names: tuple[str, ...] = eqx.field(static=True)
    kind: str = eqx.field(static=True)

    @property
    def continuous(self) -> bool:
        """Whether the network was trained on irregular steps, so that data may be sampled at any times."""
        return self.table.continuous

    @property
    def algorithm(self) -> TableNetwork:
        """The network as a filter, in standardised units."""
        return self.table

    @property
    def parameters(self) -> int:
        """How many numbers were trained."""
        return count_parameters(self.table.network)

    @in_own_precision
    def paths(self, data: Data) -> TablePath:
        """Beliefs about every series of the data and one-step predictions, in standardised units."""
        data = self.read(data)
        batch = as_batch(self.prepare(data), self.table)
        path = self.table.run_batch(batch.values, batch.mask, batch.inputs, batch.dt)
        return first_steps(path, data.steps)

    @in_own_precision
    def filter(self, data: Data) -> Predictions:
        """What the network says of every step before it sees it, in raw units."""
        data = self.read(data)
        path, rows = self.paths(data), self.standardiser.rows(data)
        return Predictions.of(
            np.asarray(rows.unscale(np.asarray(path.mean, np.float64))),
            np.asarray(rows.unscale_var(np.asarray(path.var, np.float64))),
            np.asarray(path.log_evidence, np.float64) - self._volume(data),
            data,
            None if path.white is None else np.asarray(path.white, np.float64),
            rows.transform,
        )

    @in_own_precision
    def simulate(
        self,
        steps: int,
        batch: int = 1,
        seed: int = 0,
        inputs: Any = None,
        *,
        series: str | None = None,
    ) -> Sequences:
        """Draw new series, in raw units: each step from its prediction, which then has seen the step.

        Args:
            steps: length of each series.
            batch: number of series.
            seed: start of the randomness.
            inputs: `(steps, input)` or `(batch, steps, input)`, for a network with inputs; or a frame for
                all series, a list with one for each, whose columns are found by name.
            series: in whose units, for a model where each series has a scale of its own.

        Raises:
            RekalError: a size below 1, inputs that do not fit, or as for `stream`.
        """
        own = self.standardiser.named(series)
        inputs = self._inputs_of_run(inputs)
        u = self.standardiser.apply_inputs(inputs)
        key = jax.random.key(seed_of(seed))
        drawn = simulate_filter(self.table, steps, key, batch, u, burn_in=100)
        return self._drawn(drawn, inputs, own)

    def identify(self, data: Data | None = None) -> Any:
        """Refuse: what a network has learned is spread over its parameters.

        Raises:
            RekalError: always.
        """
        raise RekalError(
            f"a network ({self.kind}) has no state equation whose period, modes or noise could be told: "
            "forecast or simulate with it, or identify a model such as em-rnn"
        )

    def summary(self) -> str:
        """A page of text: what the network is, how the training went, whether its intervals hold."""
        names, inputs = (
            ", ".join(map(printable_line, n)) for n in (self.labels.names, self.input_names)
        )
        driven = f", driven by {inputs}" if inputs else ""
        lines = [
            f"model           {self.kind}, {names}{driven}",
            f"network         {self.size()}",
        ]
        return printable("\n".join([*lines, *self._transform_lines(), *self.history.lines()]))

    def size(self) -> str:
        """The size of the network in words."""
        layer = self.table.network.layer
        units = getattr(layer, "units", None)
        told = "" if units is None else f", {units} units"
        return f"latent observation of {layer.latent} entries{told}, {self.parameters} parameters"

    def stored(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """What a file of it holds: JSON configuration and arrays, never code.

        Raises:
            RekalError: the network holds what a file cannot.
        """
        config = {
            **self._config(),
            "kind": "network-fit",
            "network": network_config(self.table.network),
            "interval": self.table.interval,
        }
        arrays = self._arrays()
        found = network_arrays(self.table.network)
        arrays.update({f"network.{name}": array for name, array in found.items()})
        if isinstance(self.table, CorrectedTable):
            linear = self.table.kalman.model
            config["linear"] = model_config(linear)
            arrays.update({f"linear.{name}": array for name, array in model_arrays(linear).items()})
            for name in ("gate", "factor", "bounds"):
                arrays[f"correction.{name}"] = np.asarray(getattr(self.table, name))
        return config, arrays
