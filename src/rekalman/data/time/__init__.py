"""Stamps, clocks, calendars and time zones."""
