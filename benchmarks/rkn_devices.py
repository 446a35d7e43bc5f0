"""Seconds of the recursion's gradient, or of training, with as many JAX devices as asked for, as JSON.

    JAX_NUM_CPU_DEVICES=2 python benchmarks/rkn_devices.py recursion LATENT
    JAX_NUM_CPU_DEVICES=2 python benchmarks/rkn_devices.py epoch

A program of its own, because the number of devices is fixed when JAX starts. The batch is split over the
devices as `Backprop` does it, and gradients are summed over them.
"""

from __future__ import annotations

import json
import sys
import time
from functools import partial

import jax
import numpy as np
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P
from rkn_problem import epoch_seconds, rekalman_call

from rekalman.learners.gradient.devices import Devices
from rekalman.networks.vision.patch_encoder import PatchEncoder
from rekalman.numerics.memory import keep_freed_memory

ROUNDS = 30


def recursion(latent: int) -> dict[str, float]:
    """The fastest and the median round."""
    function, (parameters, *arrays) = rekalman_call(latent)
    same = Devices().same
    rows = NamedSharding(same.mesh, P("batch"))

    @jax.jit
    @partial(
        jax.shard_map,
        mesh=same.mesh,
        in_specs=(P(), P("batch"), P("batch"), P("batch")),
        out_specs=(P(), P("batch")),
        check_vma=False,
    )
    def call(*args):
        value, (of_parameters, *of_arrays) = function(*args)
        return jax.lax.psum((value, of_parameters), "batch"), of_arrays

    args = (jax.device_put(parameters, same), *(jax.device_put(each, rows) for each in arrays))
    seconds = []
    for _ in range(ROUNDS + 1):
        began = time.perf_counter()
        jax.block_until_ready(call(*args))
        seconds.append(time.perf_counter() - began)
    return {"seconds": min(seconds[1:]), "median_seconds": float(np.median(seconds[1:]))}


def main() -> None:
    """What the command asks for."""
    keep_freed_memory()
    what = sys.argv[1]
    result = (
        recursion(int(sys.argv[2]))
        if what == "recursion"
        else {"seconds": epoch_seconds(PatchEncoder)}
    )
    print(json.dumps(result | {"devices": jax.device_count()}))


if __name__ == "__main__":
    main()
