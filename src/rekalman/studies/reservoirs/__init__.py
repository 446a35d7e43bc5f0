"""Reservoirs beside published figures: Mackey-Glass, NARMA10, superimposed oscillators and noisy Lorenz."""

from rekalman.studies.reservoirs.run import run

__all__ = ["run"]
