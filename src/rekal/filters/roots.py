"""The square root of a covariance that may be singular, which lives with the models."""

from rekal.models.roots import semidefinite_root

__all__ = ["semidefinite_root"]
