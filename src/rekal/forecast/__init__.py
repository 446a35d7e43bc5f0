"""Predictive distributions: rolling over a series or beyond its end, scored and drawn."""

from rekal.forecast.labels import Labels
from rekal.forecast.result import Forecast
from rekal.forecast.rolling import forecast_from, rolling_forecast

__all__ = ["Forecast", "Labels", "forecast_from", "rolling_forecast"]
