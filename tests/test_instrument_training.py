"""Each network that knows the imprint's covers can be trained, and its file says how."""

import numpy as np
import pytest

from albumlib.evaluation import instrument_training as training
from albumlib.evaluation.label_recovery import predict_labels
from albumlib.models.checkpoint import read_tensors


@pytest.mark.parametrize("name", training.TASKS)
def test_it_learns_from_albums_of_its_own_and_is_tested_on_others(name):
    network, about = training.train(name, albums=60, epochs=4)
    assert about["law"] == 2 and about["seed"] == training.SEED and about["albums"] == 60
    assert np.isfinite(about["accuracy"]) and about["accuracy"] <= 1
    assert not any(weight.requires_grad for weight in network.parameters())


def test_the_command_writes_a_file_that_can_be_used(tmp_path, monkeypatch, capsys):
    out = tmp_path / "labels.safetensors"
    given = ["x", "labels", "--albums", "60", "--epochs", "1", "--out", str(out)]
    monkeypatch.setattr("sys.argv", given)
    training.main()
    assert "right on other covers" in capsys.readouterr().out
    assert read_tensors(out)[1]["law"] == 2
    regressor = training.label_recovery.load_label_regressor(out)
    assert predict_labels(regressor, np.zeros((2, 64, 64, 3), np.uint8)).shape == (2, 10)


def test_half_precision_learns_as_well():
    network, _ = training.train("text", albums=40, epochs=30, half=True)
    imprint = training.Imprint(training.SEED, albums=training.FIRST + 40, corruption=0)
    known = training.legibility.examples(imprint, range(training.FIRST, training.FIRST + 40))
    assert training.legibility.accuracy(network, *known) > 0.8


def test_the_regressor_that_ships_reads_features_off_covers():
    path = training.label_recovery.FILE
    assert path.stat().st_size < 1.5e6 and read_tensors(path)[1]["accuracy"] > 0.8
    imprint = training.Imprint(2021, albums=300, corruption=0)
    pixels, labels = training.covers_and_labels(imprint, range(300))
    regressor = training.label_recovery.load_label_regressor(path)
    assert training.mean_r2(regressor, pixels, labels) > 0.75
