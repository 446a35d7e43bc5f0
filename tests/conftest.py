"""What all tests share: where real data lie, and how hard hypothesis tries."""

import os
from pathlib import Path

# Tests run side by side, one worker a core: threads of their own would only wait for each other.
os.environ.setdefault("PJRT_NPROC", "1")

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "rekal",
    max_examples=50,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("rekal")


@pytest.fixture(scope="session")
def data_root() -> Path:
    """The folder of real data: $REKAL_DATA, or ../shared/data beside the repository."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    root = Path(os.environ["REKAL_DATA"]) if "REKAL_DATA" in os.environ else beside
    if not root.is_dir():
        pytest.skip(f"needs real data: set REKAL_DATA to their folder ({root} does not exist)")
    return root
