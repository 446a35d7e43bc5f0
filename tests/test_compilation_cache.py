"""Compiled functions are kept on disk where that is asked for, and nowhere else."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

import rekalman

PROGRAM = """
import jax, jax.numpy as jnp, rekalman
hits = []
jax.monitoring.register_event_listener(lambda event, **_: hits.append(event))
if {call!r}:
    print("folder:", rekalman.keep_compiled(*{arguments!r}))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)  # on a fast machine too
else:
    rekalman.local_level  # an import alone
    print("folder:", jax.config.jax_compilation_cache_dir)
def step(carry, x):
    return jnp.sin(carry) @ x, jnp.linalg.inv(carry).sum()
jax.jit(lambda x: jax.lax.scan(step, x, jnp.stack([x] * 3)))(jnp.ones((9, 9)))
print("taken:", "/jax/compilation_cache/cache_hits" in hits)
"""


def _run(cache, *arguments, call=True, **environment):
    retained = {k: v for k, v in os.environ.items() if not k.startswith("JAX_")}
    environment = {**retained, "XDG_CACHE_HOME": str(cache), **environment}
    program = PROGRAM.format(call=call, arguments=arguments)
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lines = dict(line.split(": ", 1) for line in done.stdout.splitlines())
    return lines["folder"], lines["taken"] == "True"


def test_a_second_process_takes_what_the_first_compiled(tmp_path):
    folder = str(tmp_path / "a" / "compiled")
    assert _run(tmp_path, folder)[0] == folder
    assert os.listdir(folder)
    assert _run(tmp_path, folder) == (folder, True)


def test_without_a_folder_it_is_that_of_the_user_or_of_jax(tmp_path):
    assert _run(tmp_path)[0] == str(tmp_path / "rekalman" / "compiled")
    own = str(tmp_path / "own")
    assert _run(tmp_path, JAX_COMPILATION_CACHE_DIR=own)[0] == own


def test_an_import_alone_keeps_nothing(tmp_path):
    assert _run(tmp_path, call=False) == ("None", False)
    assert not os.listdir(tmp_path)


def test_a_folder_that_cannot_be_written_is_refused(tmp_path):
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(rekalman.RekalError, match="no folder in which compiled functions"):
        rekalman.keep_compiled(file / "below")
