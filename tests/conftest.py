"""What all tests share: where real data lie, how hard hypothesis tries, room for compiled functions."""

import gc
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

# Tests run side by side, one worker a core: threads of their own would only wait for each other.
os.environ.setdefault("PJRT_NPROC", "1")

import jax
import pytest
from finite import noted, watch
from hypothesis import HealthCheck, settings

settings.register_profile(
    "rekal",
    max_examples=50,
    deadline=None,
    derandomize=True,  # the same examples at every run; `-m nightly` draws new ones
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("rekal")

HASTY = "--xla_cpu_use_fusion_emitters=false --xla_backend_optimization_level=0"

MAPPED = 30_000  # Linux allows a process 65,530 mapped regions by default; a compiled function holds some 16


def pytest_configure(config: pytest.Config) -> None:
    """Compile in haste: nearly all time of the tests goes there, and what is compiled mostly runs once.

    `XLA_FLAGS=` tests what users run. A flag that XLA does not know ends the process, and flags come and go:
    they are tried in another process first. Tracing leaves much to the garbage collector: it comes seldom.
    """
    config.addinivalue_line("markers", "returns_nan(why): a public function may return NaN here")
    gc.set_threshold(50_000, 20, 50)
    if (
        signal.getsignal(signal.SIGINT) == signal.SIG_IGN
    ):  # a shell does that to what runs in its background
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if "XLA_FLAGS" not in os.environ:  # workers inherit it
        trial = [sys.executable, "-c", "import jax; jax.devices()"]
        known = subprocess.run(trial, env={**os.environ, "XLA_FLAGS": HASTY}, capture_output=True)
        os.environ["XLA_FLAGS"] = "" if known.returncode else HASTY


def pytest_sessionstart(session: pytest.Session) -> None:
    """Watch what public functions return, once the type checks of the tests are in place."""
    workers = getattr(session.config.option, "numprocesses", None)
    if not workers or hasattr(session.config, "workerinput"):
        watch()


@pytest.fixture(autouse=True)
def every_result_is_finite(request: pytest.FixtureRequest) -> Iterator[None]:
    """A NaN or an infinity that leaves a public function is a defect (`finite.py`).

    A test that wants one says why: `@pytest.mark.returns_nan("what is given is NaN")`.
    """
    yield
    seen = list(dict.fromkeys(noted))
    noted.clear()
    if request.node.get_closest_marker("returns_nan") is None:
        assert not seen, "not finite: " + "; ".join(seen[:10])


@pytest.fixture(scope="module", autouse=True)
def room_for_compiled_functions() -> Iterator[None]:
    """Forget compiled functions between modules before the kernel refuses to map more of them."""
    yield
    maps = Path("/proc/self/maps")
    if maps.exists() and maps.read_bytes().count(b"\n") > MAPPED:
        jax.clear_caches()
        gc.collect()


@pytest.fixture(scope="session")
def data_root() -> Path:
    """The folder of real data: $REKAL_DATA, or ../shared/data beside the repository."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    root = Path(os.environ["REKAL_DATA"]) if "REKAL_DATA" in os.environ else beside
    if not root.is_dir():
        pytest.skip(f"needs real data: set REKAL_DATA to their folder ({root} does not exist)")
    return root


@pytest.fixture(scope="session")
def arm_folder(data_root: Path) -> Path:
    """The episodes of the pneumatic arm."""
    root = data_root / "pam_robot"
    if not root.is_dir():
        pytest.skip("needs the episodes: REKAL_DATA has no folder pam_robot")
    return root
