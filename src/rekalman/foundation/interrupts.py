"""Ctrl-C while compiled code runs: the caller is told at once, not when the code comes back."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable
from typing import Any, TypeVar

import jax

Result = TypeVar("Result")

LOOK = 0.2
"""Seconds between two looks for Ctrl-C, for the system may hand the signal to a thread that does not wait."""

_abandoned: list[threading.Thread] = []


def interruptible(work: Callable[[], Result]) -> Result:
    """Do some work so that Ctrl-C ends the waiting for it at once.

    Python raises `KeyboardInterrupt` between two of its own instructions, and a compiled function is one
    instruction that may take minutes. The work therefore runs in a thread of its own, and the main thread
    waits. After a Ctrl-C the thread comes to its end unheeded: give it only what changes nothing.

    Args:
        work: what to do; it sees the precision and the device that are set here. In another thread than
            the main one, which gets no Ctrl-C, it simply runs.

    Raises:
        KeyboardInterrupt: Ctrl-C while it ran.
        BaseException: whatever the work raises.
    """
    if threading.current_thread() is not threading.main_thread():
        return work()
    config: Any = jax.config
    double, device = config.jax_enable_x64, config.jax_default_device
    results: list[Result] = []
    errors: list[BaseException] = []
    ended = threading.Event()

    def run() -> None:
        try:
            # Such settings belong to a thread, and a new one has those of the program.
            with jax.enable_x64(double), jax.default_device(device):
                results.append(work())
        except BaseException as error:
            errors.append(error)
        finally:
            ended.set()

    context = contextvars.copy_context()
    thread = threading.Thread(target=context.run, args=(run,), name="rekalman-work", daemon=True)
    try:
        thread.start()
        while not ended.wait(LOOK):
            pass
    except BaseException:
        _abandoned.append(thread)
        raise
    if errors:
        raise errors[0]
    return results[0]


def still_working() -> bool:
    """Whether work goes on that nobody waits for, and that would hold up the end of the process."""
    return any(thread.is_alive() for thread in _abandoned)


class Interrupts:
    """Counts Ctrl-C while it is in force; each still raises `KeyboardInterrupt`.

    A training that Ctrl-C ends gives back its best so far, as if nothing had happened: whoever called it sees
    here that the user wants to go home.

        with Interrupts() as interrupts:
            trained = rekalman.fit(data)
        if interrupts.count: ...
    """

    def __init__(self) -> None:
        self.count = 0
        self._before: Any = None

    def __enter__(self) -> Interrupts:
        import signal

        self._main = threading.current_thread() is threading.main_thread()
        if self._main and signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
            self._before = signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        import signal

        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)

    def _note(self, *_: object) -> None:
        self.count += 1
        raise KeyboardInterrupt
