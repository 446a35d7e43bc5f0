"""Runs of training in processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).with_name("training_process.py")


def start(*arguments: str, **environment: str) -> subprocess.Popen[bytes]:
    """Start a run; what any test has compiled before is not compiled again (`conftest.py`)."""
    settings = {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    return subprocess.Popen(
        [sys.executable, str(SCRIPT), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ | settings | environment,
    )


def finish(process: subprocess.Popen[bytes]) -> str:
    """Wait for its end and give what it wrote to stderr."""
    errors = process.communicate(timeout=300)[1].decode()
    assert process.returncode == 0, errors
    return errors
