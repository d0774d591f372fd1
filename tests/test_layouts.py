"""The layout classifier names real layouts and not smears; what ships is small and says how it
was made."""

import numpy as np
import pytest
from PIL import Image, ImageFilter

from albumlib.evaluation import layouts
from albumlib.models.checkpoint import TrainingError, read_tensors, write_tensors
from albumlib.sources.imprint import artwork
from albumlib.sources.imprint.imprint import LAW, Imprint


@pytest.fixture(scope="module")
def labelled():
    imprint = Imprint(seed=2021, albums=900, corruption=0, text=True)
    return layouts.labelled_covers(imprint, range(500, 900))


@pytest.fixture(scope="module")
def classifier():
    return layouts.load_layouts()


def test_what_ships_is_small_and_says_what_it_learned_from(classifier):
    path = layouts.FILE
    assert path.stat().st_size < 1.5e6
    about = read_tensors(path)[1]
    assert about["version"] == layouts.VERSION and about["law"] == LAW
    assert about["accuracy"] >= 0.96 and about["seed"] == 31
    assert len(classifier.names) == len(set(classifier.names)) == len(artwork.LAYOUTS)


def test_covers_of_another_imprint_are_named_right(classifier, labelled):
    pixels, names = labelled
    assert layouts.accuracy(classifier, pixels, names) >= 0.95
    seen = classifier.probabilities(pixels)
    assert seen.sum(1) == pytest.approx(1, abs=1e-5)
    assert layouts.recognised(seen) > 0.85
    share = np.mean(np.array(names)[:, None] == np.array(classifier.names), axis=0)
    assert seen.mean(0) == pytest.approx(share, abs=0.03)


def test_larger_covers_are_brought_to_its_size(classifier):
    imprint = Imprint(seed=2021, albums=40, corruption=0, text=True)
    large = np.stack([np.asarray(imprint.picture(i, 128)) for i in range(40)])
    truth = [imprint.truth(i).layout for i in range(40)]
    assert layouts.accuracy(classifier, large, truth) >= 0.9


def test_blends_and_strong_blur_are_recognised_less(classifier, labelled):
    pixels = labelled[0]
    blend = (pixels / 2 + np.roll(pixels, 1, axis=0) / 2).astype(np.uint8)
    smear = ImageFilter.GaussianBlur(3)
    blurred = np.stack([np.asarray(Image.fromarray(one).filter(smear)) for one in pixels])
    real, mixed, soft = (layouts.recognised(classifier.probabilities(some))
                         for some in (pixels, blend, blurred))  # fmt: skip
    assert mixed < real - 0.08 and soft < real - 0.1


def test_a_lost_family_is_missed_in_the_balance(classifier, labelled):
    pixels, names = labelled
    seen, kept = classifier.probabilities(pixels), np.array(names) != "rings"
    lost = 1 - kept.mean()
    assert layouts.imbalance(seen[kept], seen) == pytest.approx(lost, abs=0.03)
    assert layouts.imbalance(seen, seen) == 0


def test_training_follows_from_the_seed_and_finds_what_is_there():
    pixels = np.zeros((64, 64, 64, 3), dtype=np.uint8)
    pixels[::2, :32] = 255  # light above
    names = ["above", "none"] * 32
    found = layouts.train_layouts(pixels, names, epochs=30)
    assert found.names == ["above", "none"] and layouts.accuracy(found, pixels, names) == 1
    first, again = (layouts.train_layouts(pixels, names, epochs=3) for _ in range(2))
    assert np.array_equal(first.probabilities(pixels), again.probabilities(pixels))


def test_a_missing_file_or_another_version_is_refused(tmp_path, classifier):
    with pytest.raises(TrainingError, match="instrument_training layouts"):
        layouts.load_layouts(tmp_path / "none.safetensors")
    old = tmp_path / "old.safetensors"
    write_tensors(old, classifier.state_dict(), {"version": 0})
    with pytest.raises(TrainingError, match="another version"):
        layouts.load_layouts(path=old)
