"""Ctrl-C, full disks, closed pipes: a finished training is kept, an untrained model never written."""

import os
import signal
import subprocess
import sys
import threading
import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from cli_helpers import TINY, call, oscillation, refused, write_csv

import rekalman
from rekalman.data import Sequences
from rekalman.fitting.loading import load
from rekalman.foundation.errors import RekalError
from rekalman.foundation.files import write_whole
from rekalman.foundation.interrupts import Interrupts, interruptible, still_working
from rekalman.learners.driven import least_squares
from rekalman.learners.em import em, linear_em, restarts
from rekalman.learners.em.em import EM
from rekalman.learners.likelihood.likelihood import MaximumLikelihood
from rekalman.learners.online import tracked
from rekalman.learners.protocol import Iterations, TrainResult

pytest_plugins = ["cli_fixtures"]


def stop(*_, **__):
    """What Ctrl-C does."""
    signal.raise_signal(signal.SIGINT)


@pytest.fixture
def series():
    return Sequences.from_arrays(oscillation(40)["y_mm"].to_numpy())


def test_ctrl_c_in_the_first_iteration_writes_nothing(here, monkeypatch):
    """The good model that is there stays, and so does its report."""
    old = (here / "y.rekalman").read_bytes()
    monkeypatch.setattr(em, "iterate", stop)
    out = call("fit", "y.csv", *TINY, "--report", "new.html", "-q")
    assert (out.exit_code, out.stdout, out.stderr) == (130, "", "rekalman: interrupted\n")
    assert (here / "y.rekalman").read_bytes() == old
    assert sorted(path.name for path in here.iterdir()) == ["y.csv", "y.rekalman"]


@pytest.mark.parametrize(
    ("model", "module", "name"),
    [
        ("linear", linear_em, "_stretch"),
        ("local-level", MaximumLikelihood, "_search"),
        ("rbf", em, "iterate_gaussian"),
    ],
)
def test_no_learner_hands_out_what_it_was_given(model, module, name, series, monkeypatch):
    monkeypatch.setattr(module, name, stop)
    with pytest.raises(KeyboardInterrupt):
        rekalman.fit(series, model, states=None if model == "local-level" else 1, progress=False)


def test_a_search_that_found_nothing_better_hands_out_nothing():
    around = lambda point: least_squares.Local(1.0, point, np.eye(1))  # noqa: E731
    with pytest.raises(KeyboardInterrupt):
        least_squares.levenberg_marquardt(stop, lambda point: 1.0, np.ones(1), 3, 0.0, None)
    better = iter([1.0, 0.5])
    result = least_squares.levenberg_marquardt(
        around, lambda point: next(better), np.ones(1), 3, 0.0, stop
    )
    assert result.stopped == "interrupted" and result.values[-1] == 0.5


def test_trials_are_not_lost_when_the_training_of_the_winner_has_not_begun(series, monkeypatch):
    run, calls = EM.run, []

    def second(self, *args, **options):
        calls.append(1)
        if len(calls) == 3:
            stop()
        return run(self, *args, **options)

    monkeypatch.setattr(EM, "run", second)
    learner = EM(particles=20, iterations=2)
    cut = rekalman.fit(series, "em-rnn", learner=learner, states=1, restarts=2, progress=False)
    assert cut.history.stopped == "interrupted" and len(cut.history.trials) == 2
    calls.clear()
    calls.append(1)  # and now in the second trial: the first is what there is
    cut = rekalman.fit(series, "em-rnn", learner=learner, states=1, restarts=2, progress=False)
    assert cut.history.stopped == "interrupted" and len(cut.history.trials) == 1


def test_half_trained_networks_of_an_ensemble_are_not_used(series, monkeypatch):
    cut = TrainResult(None, Iterations.by_likelihood(np.zeros(2), "interrupted"))
    monkeypatch.setattr(EM, "run", lambda *_, **__: cut)
    with pytest.raises(KeyboardInterrupt):
        tracked.fit_network(np.asarray(series.values)[0], np.asarray(series.mask)[0], 1, EM())


def test_ctrl_c_while_diagnosing_keeps_the_training(here, monkeypatch):
    """The filter is inside compiled code, which hears nothing; the command ends at once all the same."""
    begun, free = threading.Event(), threading.Event()

    def diagnose(self, data):
        begun.set()
        stop()
        free.wait(60)

    monkeypatch.setattr(rekalman.Fit, "diagnose", diagnose)
    since = time.perf_counter()
    out = call("fit", "nile", "--model", "local-level", "--out", "m.rekalman", "-q")
    assert begun.is_set() and time.perf_counter() - since < 50
    assert still_working()
    free.set()
    assert out.exit_code == 130 and out.stdout == ""
    assert (
        "rekalman: interrupted: m.rekalman was written; rekalman report m.rekalman nile"
        in out.stderr
    )
    fitted = load("m.rekalman")
    assert fitted.history.stopped == "converged" and fitted.history.diagnostics is None
    assert not (here / "nile.html").exists()


def test_interruptible_work_sees_the_precision_of_its_caller():
    with jax.enable_x64(True):
        assert interruptible(lambda: jnp.ones(1).dtype) == jnp.float64
    assert interruptible(lambda: jnp.ones(1).dtype) == jnp.float32
    with pytest.raises(RekalError, match="no"):
        interruptible(lambda: (_ for _ in ()).throw(RekalError("no")))


def test_interrupts_are_counted_and_raised():
    before = signal.getsignal(signal.SIGINT)
    with Interrupts() as interrupts:
        with pytest.raises(KeyboardInterrupt):
            stop()
        assert interrupts.count == 1
    assert signal.getsignal(signal.SIGINT) is before


def test_a_report_that_fails_loses_no_training(here, monkeypatch):
    def full(path, *_):
        raise RekalError(f"{path}: it could not be written (No space left on device).")

    monkeypatch.setattr("rekalman.report.write_whole", full)
    out = call("fit", "nile", "--model", "local-level", "--out", "m.rekalman", "-q")
    assert out.exit_code == 1 and "Traceback" not in out.stderr
    assert (
        "nile-local-level.html: it could not be written" in out.stderr
        and "m.rekalman was written" in out.stderr
    )
    assert load("m.rekalman").kind == "local-level"

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("rekalman.report.write_whole", interrupted)
    out = call("fit", "nile", "--model", "local-level", "--out", "m.rekalman", "-q")
    assert out.exit_code == 130 and "interrupted: m.rekalman was written" in out.stderr


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_stdout_that_is_full_or_closed(here):
    """In one process, because a process takes a second: what was written is said, and nothing breaks."""
    program = """
import os, sys
from rekalman.cli import app
from rekalman.cli.outcome import open_closed_descriptors
os.close(1); sys.stdout = None
open_closed_descriptors()
codes = []
def run(*words):
    try:
        app(list(words), prog_name="rekalman")
    except SystemExit as end:
        codes.append(end.code)
def into(path):
    sys.stdout = open(path, "w")
    os.dup2(sys.stdout.fileno(), 1)
run("study"); run("identify", "y.rekalman"); run("simulate", "y.rekalman", "--steps", "3")
into("/dev/full"); run("simulate", "y.rekalman", "--steps", "3", "--out", "s.csv")
into("/dev/full"); run("study")
into("/dev/full"); run("identify", "y.rekalman")
reader, writer = os.pipe(); os.close(reader); os.dup2(writer, 1)
sys.stdout = open(1, "w", closefd=False)
run("study")
print(codes, file=sys.stderr)
os._exit(0)
"""
    out = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert "Traceback" not in out.stderr
    assert out.stderr.splitlines()[-1] == "[0, 0, 0, 1, 2, 2, 141]", out.stderr
    assert (
        "rekalman: s.csv was written, but stdout could not be (No space left on device)"
        in out.stderr
    )
    assert (here / "s.csv").read_text().count("\n") == 4


def test_files_of_killed_writers_are_removed_and_those_of_living_ones_are_not(tmp_path):
    """A writer is killed between the two steps; another one still lives."""
    program = """
import os, sys, time, rekalman.foundation.files as files
def fsync(_):
    print("writing", flush=True)
    time.sleep(100)
os.fsync = fsync
files.write_whole(sys.argv[1], b"half")
"""
    target = tmp_path / "model[1].rekalman"  # a name that a pattern would read otherwise
    other = tmp_path / ".model[1].rekalman.notes.part"
    other.write_text("mine")
    command = [sys.executable, "-c", program, str(target)]
    writers = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(2)]
    try:
        for writer in writers:
            assert writer.stdout.readline() == b"writing\n"
        assert len(list(tmp_path.glob(".*.part"))) == 3
        writers[0].kill()
        writers[0].wait()
        write_whole(target, b"new")
        assert target.read_bytes() == b"new"
        assert len(list(tmp_path.glob(".*.part"))) == 2  # the living writer's, and the note
        writers[1].kill()
        writers[1].wait()
        write_whole(target, b"newer")
        assert sorted(path.name for path in tmp_path.iterdir()) == [other.name, target.name]
    finally:
        for writer in writers:
            writer.kill()
            writer.wait()


def test_a_checkpoint_without_its_extra_is_refused_at_once(here, monkeypatch):
    write_csv(here / "file", "text")
    refused(call("fit", "y.csv", "--model", "elman", "--checkpoint", "file/kept"), "file/kept")
    monkeypatch.setitem(sys.modules, "orbax", None)

    def work(*_, **__):
        raise AssertionError("it has begun to work")

    monkeypatch.setattr("rekalman.datasets.open_data", work)
    monkeypatch.setattr(rekalman.training.scales.Standardiser, "of", work)
    out = call("fit", "y.csv", "--model", "elman", "--checkpoint", "kept", "-q")
    refused(out, "checkpoints need Orbax: pip install 'rekalman[train]'")
    data = Sequences.from_arrays(oscillation(40)["y_mm"].to_numpy())
    with pytest.raises(RekalError, match="Orbax"):
        rekalman.fit(data, "elman", checkpoint="kept", progress=False)


def test_an_interrupted_judgement_leaves_the_trials_before_it(series, monkeypatch):
    judged, calls = restarts.log_evidence, []

    def second(*args):
        calls.append(1)
        if len(calls) == 2:
            stop()
        return judged(*args)

    monkeypatch.setattr(restarts, "log_evidence", second)
    learner = EM(particles=20, iterations=2)
    cut = rekalman.fit(series, "em-rnn", learner=learner, states=1, restarts=3, progress=False)
    assert cut.history.stopped == "interrupted"
    assert len(cut.history.trials) == 1 and np.isfinite(cut.history.trials[0][1])
