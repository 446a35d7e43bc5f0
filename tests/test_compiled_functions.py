"""A long process forgets compiled functions before the kernel refuses to map more."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import pytest

from rekalman.numerics import compiled_functions
from rekalman.numerics.compiled_functions import make_room


@pytest.fixture
def limit(tmp_path, monkeypatch):
    """A file that stands for the limit of the kernel."""
    path = tmp_path / "max_map_count"
    monkeypatch.setattr(compiled_functions, "LIMIT", path)
    return path


def test_functions_are_forgotten_where_half_of_the_regions_are_mapped(limit):
    traced = []

    @jax.jit
    def function(x):
        traced.append(1)
        return 2 * x

    one = jnp.ones(())
    limit.write_text("1000000000")
    function(one)
    assert not make_room()
    function(one)
    assert len(traced) == 1
    limit.write_text("10")
    assert make_room()
    assert function(one) == 2 and len(traced) == 2


def test_memory_in_use_counts_too(limit):
    limit.write_text("1000000000")
    assert make_room(resident=1.0)


def test_without_such_a_limit_nothing_is_done(limit):
    assert not make_room(resident=1.0)
    limit.write_text("unlimited")
    assert not make_room(resident=1.0)
