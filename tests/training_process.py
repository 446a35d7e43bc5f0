"""A run of training in a process of its own, for tests that kill it, or that need several devices or hosts.

Usage: training_process.py RESULT.npz [--checkpoint DIR] [--metrics CSV] [--host I --port P] [--epochs N]
"""

import argparse
import sys

import jax

parser = argparse.ArgumentParser()
parser.add_argument("result")
parser.add_argument("--checkpoint")
parser.add_argument("--metrics")
parser.add_argument("--epochs", type=int, default=3)
parser.add_argument("--host", type=int)
parser.add_argument("--port", type=int)
options = parser.parse_args()
if options.host is not None:
    jax.distributed.initialize(f"localhost:{options.port}", 2, options.host)

import numpy as np  # noqa: E402 (a host joins the others before anything is computed)
from small_networks import small_frames, small_network, small_run  # noqa: E402

from rekalman.learners.gradient.optimiser import flatten  # noqa: E402

found = small_run(options.epochs).run(
    small_network(),
    small_frames(34),
    checkpoint=options.checkpoint,
    metrics=options.metrics,
    progress=lambda _: print(".", end="", flush=True),  # the test waits for the first
)
print(f"{jax.device_count()} devices", file=sys.stderr)
if jax.process_index() == 0:
    np.savez(options.result, parameters=flatten(found.model), validation=found.validation)
