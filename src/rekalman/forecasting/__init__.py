"""Predictive distributions: rolling over a series or beyond its end, scored and drawn."""

from rekalman.forecasting.labels import Labels
from rekalman.forecasting.result import Forecast
from rekalman.forecasting.rolling import forecast_from, rolling_forecast

__all__ = ["Forecast", "Labels", "forecast_from", "rolling_forecast"]
