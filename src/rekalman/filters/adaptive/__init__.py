"""A filter that goes on learning: networks whose readouts are filtered while data arrive."""
