import errno
import os
from pathlib import Path

import pytest

from rekalman.foundation.errors import RekalError
from rekalman.foundation.files import check_writable, write_whole


def test_writes_text_and_bytes(tmp_path):
    write_whole(tmp_path / "a.txt", "größer")
    assert (tmp_path / "a.txt").read_bytes() == "größer".encode()
    write_whole(str(tmp_path / "a.txt"), b"\0\1")
    assert (tmp_path / "a.txt").read_bytes() == b"\0\1"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_new_file_has_usual_permissions_and_old_ones_stay(tmp_path):
    umask = os.umask(0o022)
    try:
        write_whole(tmp_path / "new", "x")
    finally:
        os.umask(umask)
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o644
    (tmp_path / "new").chmod(0o600)
    write_whole(tmp_path / "new", "y")
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o600


def test_follows_a_link(tmp_path):
    (tmp_path / "real").write_text("old")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    write_whole(tmp_path / "link", "new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_text() == "new"


@pytest.mark.parametrize("act", [lambda p: write_whole(p, "x"), check_writable])
def test_folder_that_is_not_there(tmp_path, act):
    with pytest.raises(RekalError, match=r"nowhere does not exist"):
        act(tmp_path / "nowhere" / "model.rekalman")


@pytest.mark.parametrize("act", [lambda p: write_whole(p, "x"), check_writable])
def test_path_is_a_folder(tmp_path, act):
    with pytest.raises(RekalError, match="is a folder"):
        act(tmp_path)


@pytest.mark.parametrize("act", [lambda p: write_whole(p, "x"), check_writable])
def test_path_is_a_device(act):
    with pytest.raises(RekalError, match="not an ordinary file"):
        act("/dev/null")
    assert not Path("/dev/null").is_file()


@pytest.mark.parametrize("act", [lambda p: write_whole(p, "x"), check_writable])
@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a folder no one can write")
def test_folder_that_cannot_be_written(act):
    with pytest.raises(RekalError, match="/proc cannot be written"):
        act("/proc/model.rekalman")


def test_check_leaves_no_trace_and_no_harm(tmp_path):
    check_writable(tmp_path / "new")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "old").write_text("old")
    check_writable(tmp_path / "old")
    assert (tmp_path / "old").read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["old"]


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_write_cut_in_the_middle_keeps_the_old_file(tmp_path, monkeypatch, step):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    (tmp_path / "m").write_text("old")
    monkeypatch.setattr(os, step, full)
    with pytest.raises(RekalError, match="No space left"):
        write_whole(tmp_path / "m", "new and longer")
    assert (tmp_path / "m").read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["m"]


def test_interrupt_in_the_middle_keeps_the_old_file_and_passes_on(tmp_path, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    (tmp_path / "m").write_text("old")
    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_whole(tmp_path / "m", "new")
    assert (tmp_path / "m").read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["m"]


def test_really_full_disk(tmp_path):
    resource = pytest.importorskip("resource", reason="needs limits on the size of files")
    signal = pytest.importorskip("signal")
    (tmp_path / "m").write_text("old")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with pytest.raises(RekalError, match="could not be written"):
            write_whole(tmp_path / "m", b"x" * 100_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert (tmp_path / "m").read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["m"]
