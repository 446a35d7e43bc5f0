"""Predictive distributions: rolling over a series or beyond its end, scored and drawn."""

from rekal.forecasting.labels import Labels
from rekal.forecasting.result import Forecast
from rekal.forecasting.rolling import forecast_from, rolling_forecast

__all__ = ["Forecast", "Labels", "forecast_from", "rolling_forecast"]
