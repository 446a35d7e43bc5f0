"""Damaged model files, and those of a newer version: the right forecast, or one sentence with the file."""

from collections import Counter

import numpy as np
import pytest
from fuzz import model_files

from rekalman.fitting.loading import load
from rekalman.foundation.archive import save_archive
from rekalman.foundation.entries import Entries
from rekalman.foundation.errors import RekalError
from rekalman.networks.serial import load_network

MODEL = "filter.arguments.model.model"


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    return model_files.bases(tmp_path_factory.mktemp("bases"), ("linear", "elman"))


def test_sixty_damaged_files(models, tmp_path):
    """The script runs 2,000 of them; so many of each kind of damage are tried here."""
    cases = model_files.chosen(models, 60, seed=1)
    assert len(Counter(case.damage for case in cases)) == 17
    said = [model_files.verdict(models[case.base], case, tmp_path) for case in cases]
    wrong = [pair for pair in zip(cases, said, strict=True) if pair[1] is not None]
    assert not wrong


def test_the_script_sees_what_is_wrong(models, tmp_path, monkeypatch):
    case = model_files.Case(0, "seed", "removed", None)
    monkeypatch.setattr(model_files.rekalman, "load", lambda path: {}["seed"])
    assert model_files.verdict(models[0], case, tmp_path) == "KeyError: 'seed'"


@pytest.mark.parametrize(
    ("place", "damage", "content", "sentence"),
    [
        ("seed", "removed", None, "'seed' is missing"),
        ("seed", "value", None, "'seed' is null, not a whole number"),
        ("seed", "value", -1, "'seed' is -1, which cannot be"),
        ("labels", "value", [], "'labels' is a list, not an object"),
        ("labels.units", "value", ["m"], "'labels.units' has 1 entries, not 2"),
        ("labels.time_kind", "value", "x", "this rekalman knows only step, number, date"),
        ("history.stopped", "value", "bored", "'history.stopped' is 'bored'"),
        (
            "filter",
            "extra",
            None,
            "'filter.unknown', which this version of rekalman does not know",
        ),
        ("filter.new", "value", "Oracle", "this rekalman knows no 'Oracle'"),
        ("filter.arguments", "extra", None, "a Kalman has no 'unknown' in this version"),
        ("filter.arguments.model", "removed", None, "'filter.model' is missing"),
        (f"{MODEL}.type", "value", "Oracle", "knows no model of type 'Oracle'"),
        (f"{MODEL}.flat", "value", [7], "'model.flat' names no coordinates"),
        ("filter.model.A", "array nan", None, "'model.A' holds a value that is not finite"),
        ("filter.model.Q", "array longer", None, "Q has shape (4, 2)"),
        ("filter.model.R", "array integers", None, "'model.R' holds int32"),
        ("standardiser.scale", "array negative", None, "not above 0"),
        ("extra7", "array extra", None, "a LinearGaussian has no block 'extra7'"),
    ],
)
def test_the_sentence_says_what_is_wrong(place, damage, content, sentence, models, tmp_path):
    base = models[0]
    path = tmp_path / "m.rekalman"
    model_files.damaged(base, model_files.Case(0, place, damage, content), path)
    with pytest.raises(RekalError) as caught:
        load(path)
    assert str(caught.value).startswith(f"{path}: ") and sentence in str(caught.value)


@pytest.mark.parametrize(
    ("place", "damage", "content", "sentence"),
    [
        ("filter.factor", "array negative", None, "factor holds a value that is not above 0"),
        ("filter.arguments.interval", "value", -1.0, "interval must"),
        ("filter.gate", "array longer", None, "gate' has shape (12, 1), not (6, 1)"),
    ],
)
def test_a_network_with_a_damaged_correction_is_refused(
    place, damage, content, sentence, models, tmp_path
):
    path = tmp_path / "m.rekalman"
    model_files.damaged(models[1], model_files.Case(1, place, damage, content), path)
    with pytest.raises(RekalError) as caught:
        load(path)
    assert str(caught.value).startswith(f"{path}: ") and sentence in str(caught.value)


def test_a_configuration_that_is_no_object(tmp_path):
    save_archive(tmp_path / "m.rekalman", {"kind": "network"}, {})
    with pytest.raises(RekalError, match=r"m.rekalman: 'network' is missing"):
        load_network(tmp_path / "m.rekalman")
    with pytest.raises(RekalError, match="it holds 'network', not a trained model: read it by"):
        load(tmp_path / "m.rekalman")
    with pytest.raises(RekalError, match="the configuration is a list, not an object"):
        Entries([])


def test_numbers_that_json_writes_as_whole_ones_are_read(models, tmp_path):
    """Another program writes 1.0 as 1."""
    base = models[0]
    path = tmp_path / "m.rekalman"
    model_files.damaged(base, model_files.Case(0, "history.seconds", "value", 3), path)
    fitted = load(path)
    assert fitted.history.seconds == 3.0
    np.testing.assert_array_equal(fitted.forecast(base.data, 3, base.inputs).mean, base.mean)
