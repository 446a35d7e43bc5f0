import json
import pickle
import struct
import zipfile

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save

from rekalman.foundation.archive import VERSION, load_archive, save_archive
from rekalman.foundation.errors import RekalError

CONFIG = {"model": "StochasticRNN", "states": 5, "names": ["x_mm", "größe"], "rate": 0.1}
ARRAYS = {
    "A": np.arange(6.0).reshape(2, 3),
    "Q": np.eye(2, dtype=np.float32),
    "mask": np.array([True, False]),
    "count": np.array(7),
    "none": np.zeros((0, 4)),
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    path = tmp_path_factory.mktemp("archive") / "m.rekalman"
    save_archive(path, CONFIG, ARRAYS)
    return path.read_bytes()


def test_round_trip(tmp_path):
    save_archive(tmp_path / "m.rekalman", CONFIG, ARRAYS)
    config, arrays = load_archive(str(tmp_path / "m.rekalman"))
    assert config == CONFIG
    assert arrays.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        assert arrays[name].dtype == array.dtype and arrays[name].shape == array.shape
        np.testing.assert_array_equal(arrays[name], array)


def test_takes_jax_arrays_numpy_scalars_transposes_and_nothing(tmp_path):
    path = tmp_path / "m.rekalman"
    save_archive(
        path, {"n": np.int64(3), "x": np.float64(0.1)}, {"a": jnp.arange(3), "t": ARRAYS["A"].T}
    )
    config, arrays = load_archive(path)
    assert config == {"n": 3, "x": 0.1}
    np.testing.assert_array_equal(arrays["t"], ARRAYS["A"].T)
    np.testing.assert_array_equal(arrays["a"], [0, 1, 2])
    save_archive(path, {}, {})
    assert load_archive(path) == ({}, {})


def test_same_content_gives_the_same_file(tmp_path):
    save_archive(tmp_path / "1", CONFIG, ARRAYS)
    save_archive(tmp_path / "2", dict(reversed(CONFIG.items())), dict(reversed(ARRAYS.items())))
    assert (tmp_path / "1").read_bytes() == (tmp_path / "2").read_bytes()


def test_config_that_is_no_json_is_refused_before_writing(tmp_path):
    with pytest.raises(TypeError, match="set does not belong"):
        save_archive(tmp_path / "m.rekalman", {"s": {1}}, {})
    assert list(tmp_path.iterdir()) == []


def test_folder_that_is_not_there(tmp_path):
    with pytest.raises(RekalError, match="does not exist"):
        save_archive(tmp_path / "nowhere" / "m.rekalman", {}, {})


def refused(tmp_path, data, match="."):
    path = tmp_path / "damaged.rekalman"
    path.write_bytes(data)
    with pytest.raises(RekalError, match=match) as caught:
        load_archive(path)
    message = str(caught.value)
    assert message.startswith(str(path)) and message.endswith(".") and "\n" not in message


def test_every_truncation_is_noticed(tmp_path, whole):
    for length in range(0, len(whole), 3):
        refused(tmp_path, whole[:length], "empty" if length == 0 else "cut short")


@given(st.data())
def test_every_flipped_bit_is_noticed(tmp_path, whole, data):
    bit = data.draw(st.integers(0, 8 * len(whole) - 1))
    damaged = bytearray(whole)
    damaged[bit // 8] ^= 1 << bit % 8
    refused(tmp_path, bytes(damaged))


def test_every_flipped_header_byte_is_noticed(tmp_path, whole):
    for place in range(8 + struct.unpack("<Q", whole[:8])[0]):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << place % 8
        refused(tmp_path, bytes(damaged))


@given(st.binary(min_size=1, max_size=50))
def test_appended_bytes_are_noticed(tmp_path, whole, extra):
    refused(tmp_path, whole + extra, "damaged")


@given(st.binary(min_size=1, max_size=300))
def test_arbitrary_bytes_are_no_model(tmp_path, data):
    refused(tmp_path, data, "not a rekalman model file")


def edit(whole, **changes):
    """The same file with another configuration, version or seal and a correct header length."""
    (length,) = struct.unpack("<Q", whole[:8])
    header = json.loads(whole[8 : 8 + length])
    about = {**json.loads(header["__metadata__"]["rekalman"]), **changes}
    header["__metadata__"]["rekalman"] = json.dumps(about)
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + whole[8 + length :]


def test_edited_config_is_noticed(tmp_path, whole):
    refused(tmp_path, edit(whole, config=json.dumps({**CONFIG, "states": 6})), "altered")


def test_other_formats(tmp_path, whole):
    newer = edit(whole, version=VERSION + 1)
    refused(tmp_path, newer, f"format {VERSION + 1} .* install a newer rekalman")
    refused(tmp_path, edit(whole, version="x"), "damaged")
    older = save({"w": np.ones(3)}, metadata={"rekal": json.dumps({"version": 1})})
    refused(tmp_path, older, "written by rekal 0.1, .* train the model again")
    refused(tmp_path, edit(whole, version=0), f"format 0 and this rekalman reads {VERSION}.$")


def test_files_of_others(tmp_path, whole):
    refused(tmp_path, save({"w": np.ones(3)}), "safetensors file but not a rekalman")
    refused(tmp_path, save({"w": np.ones(3)}, metadata={"format": "pt"}), "but not a rekalman")
    refused(tmp_path, b"t,x\n0,1\n1,2\n", "not a rekalman model file")
    refused(tmp_path, b"", "the file is empty")
    with zipfile.ZipFile(tmp_path / "z.zip", "w") as archive:
        archive.writestr("config.json", "{}")
    refused(tmp_path, (tmp_path / "z.zip").read_bytes(), "not a rekalman model file")


class Trap:
    """Unpickling it would leave a file behind."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return open, (self.path, "w")


def test_pickle_is_never_run(tmp_path):
    trace = tmp_path / "trace"
    pickle.loads(pickle.dumps(Trap(trace))).close()
    assert trace.exists()
    trace.unlink()
    refused(tmp_path, pickle.dumps(Trap(trace)), "not a rekalman model file")
    about = {"version": 1, "sha256": "0" * 64, "config": "__import__('os').abort()"}
    text = json.dumps({"__metadata__": {"rekalman": json.dumps(about)}}).encode()
    refused(tmp_path, struct.pack("<Q", len(text)) + text + pickle.dumps(Trap(trace)), "damaged")
    assert not trace.exists()


def test_missing_file_and_folder(tmp_path):
    with pytest.raises(RekalError, match="no such file"):
        load_archive(tmp_path / "absent.rekalman")
    with pytest.raises(RekalError, match="is a folder"):
        load_archive(tmp_path)
