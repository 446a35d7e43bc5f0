"""What all tests share: where real data lie, how hard hypothesis tries, room for compiled functions."""

import gc
import importlib
import os
import shutil
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
    "rekalman",
    max_examples=50,
    deadline=None,
    derandomize=True,  # the same examples at every run; `-m nightly` draws new ones
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("rekalman")

HASTY = "--xla_cpu_use_fusion_emitters=false --xla_backend_optimization_level=0"

MEMORY = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 0
RESIDENT = max(
    2.5 * 2**30, MEMORY / 5
)  # bytes of a worker from which on it forgets compiled functions
REGIONS = (
    0.7  # share of the regions allowed from which on it does so: a test compiles less than the rest
)
COMPILED = Path(__file__).resolve().parents[1] / ".pytest_cache" / "d" / "compiled"
NIGHTLY = Path(__file__).with_name("nightly.txt")
CACHE = {
    "jax_compilation_cache_dir": str(COMPILED),
    "jax_persistent_cache_min_compile_time_secs": 0,  # most functions are small: reading saves half of each
    "jax_persistent_cache_min_entry_size_bytes": 0,
}
LARGEST_CACHE = 4 * 2**30  # bytes of compiled functions on disk, from which a run begins with none


def compile_in_haste() -> None:
    """Set the flags of the tests, where no others are given."""
    if "XLA_FLAGS" not in os.environ:  # workers inherit it
        trial = [sys.executable, "-c", "import jax; jax.devices()"]
        known = subprocess.run(trial, env={**os.environ, "XLA_FLAGS": HASTY}, capture_output=True)
        os.environ["XLA_FLAGS"] = "" if known.returncode else HASTY
    for name, value in CACHE.items():
        if name.endswith("_dir") and name.upper() in os.environ:
            continue  # another folder, kept in the same way
        os.environ[name.upper()] = str(value)
        jax.config.update(name, value)


def pytest_configure(config: pytest.Config) -> None:
    """Compile in haste: nearly all time of the tests goes there, and what is compiled mostly runs once.

    `XLA_FLAGS=` tests what users run. A flag that XLA does not know ends the process, and flags come and go:
    they are tried in another process first. Tracing leaves much to the garbage collector: it comes seldom.

    What one worker or an earlier run has compiled is read from disk, in a third of the time. JAX knows the
    entries by program, flags and version; `pytest --cache-clear` removes them.
    """
    config.addinivalue_line("markers", "returns_nan(why): a public function may return NaN here")
    gc.set_threshold(50_000, 20, 50)
    if (
        signal.getsignal(signal.SIGINT) == signal.SIG_IGN
    ):  # a shell does that to what runs in its background
        signal.signal(signal.SIGINT, signal.default_int_handler)
    compile_in_haste()


@pytest.hookimpl(tryfirst=True)  # before those that are not asked for are left out
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark the tests of `nightly.txt`, which take longest (`choose_nightly.py`)."""
    listed = set(NIGHTLY.read_text().splitlines())
    for item in items:
        if item.nodeid in listed:
            item.add_marker(pytest.mark.nightly)
    if any("::" in argument for argument in config.args):
        return
    there, files = {item.nodeid for item in items}, {item.nodeid.split("::")[0] for item in items}
    gone = [name for name in listed if name.split("::")[0] in files and name not in there]
    if gone:
        raise pytest.UsageError(f"nightly.txt lists {min(gone)}, which is no test")


def pytest_sessionstart(session: pytest.Session) -> None:
    """Watch what public functions return, once the type checks of the tests are in place."""
    workers = getattr(session.config.option, "numprocesses", None)
    if not hasattr(session.config, "workerinput"):
        if sum(each.stat().st_size for each in COMPILED.glob("*")) > LARGEST_CACHE:
            shutil.rmtree(COMPILED)
        if workers:
            return
    watch()
    importlib.import_module("rekalman.numerics.compiled_functions").FULL = REGIONS


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


@pytest.fixture(autouse=True)
def room_for_compiled_functions() -> Iterator[None]:
    """Forget compiled functions between tests before the kernel refuses to map more of them."""
    yield
    from rekalman.numerics.compiled_functions import (
        make_room,  # not before the type checks are in place
    )

    make_room(RESIDENT)


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
