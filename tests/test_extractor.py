"""The frozen extractor: one rule for every size, training that follows from its seed."""

import json
import math
import struct

import numpy as np
import pytest
import torch
from PIL import Image

from albumlib.dataset.images import decode
from albumlib.evaluation import extractor as module
from albumlib.evaluation import metrics
from albumlib.evaluation.extractor import Extractor, extract, load_extractor
from albumlib.models.checkpoint import TrainingError, write_tensors
from albumlib.runtime.rng import Rng
from albumlib.sources.imprint.imprint import LAW, Imprint


@pytest.fixture(scope="module")
def large():
    imprint = Imprint(seed=99, albums=80, corruption=0)
    return np.stack([decode(imprint.cover(f"album/{i}", 128), 128).pixels for i in range(80)])


def shrunk(pixels, size):
    shown = (Image.fromarray(cover).resize((size, size), Image.Resampling.BOX) for cover in pixels)
    return np.stack([np.asarray(cover) for cover in shown])


def test_what_ships_is_small_and_says_where_it_comes_from():
    assert module.FILE.stat().st_size < 5e6
    with module.FILE.open("rb") as file:
        header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
    about = json.loads(header["__metadata__"]["about"])
    assert about == {"version": module.VERSION, "steps": module.STEPS, "seed": module.SEED,
                     "pictures": 7500, "law": LAW}  # fmt: skip


def test_a_cover_has_nearly_the_same_features_at_every_size(large):
    network = load_extractor()
    wanted = extract(network, shrunk(large, 64))
    for size, least in ((128, 0.98), (96, 0.95), (32, 0.8)):
        found = extract(network, shrunk(large, size))
        assert np.corrcoef(found.ravel(), wanted.ravel())[0, 1] > least, size
        # and each is recognised: its own small version is the nearest one
        rows = metrics.nearest(found, wanted)[1]
        assert (rows == np.arange(80)).mean() > 0.8, size


def test_features_do_not_depend_on_the_company(large):
    network = load_extractor()
    assert extract(network, large[:1]) == pytest.approx(extract(network, large)[:1], abs=1e-4)


def test_a_missing_file_or_another_version_is_refused(tmp_path):
    with pytest.raises(TrainingError, match="there is no extractor"):
        load_extractor(tmp_path / "none.safetensors")
    old = tmp_path / "old.safetensors"
    write_tensors(old, Extractor().state_dict(), {"version": 0})
    with pytest.raises(TrainingError, match="another version"):
        load_extractor(old)
    with pytest.raises(TrainingError, match="no photographs"):
        module.training_pictures(2, tmp_path)


def test_the_loss_of_known_cases():
    pair = torch.eye(4)
    found = module.contrast(torch.cat([pair, pair]), temperature=1.0)  # right: 1, six others: 0
    assert found.item() == pytest.approx(math.log(math.e + 6) - 1)
    found = module.contrast(torch.ones(8, 4), temperature=0.2)  # nothing can be told apart
    assert found.item() == pytest.approx(math.log(7))


def test_pieces_are_pieces():
    slope = torch.linspace(-1, 1, 96).expand(50, 1, 96, 96)  # dark at the left, light at the right
    found = module.pieces(slope, Rng(0))
    assert found.shape == (50, 1, module.PIECE, module.PIECE)
    widths = (found[..., -1] - found[..., 0]).mean((1, 2)) / 2 * module.PIECE / (module.PIECE - 1)
    assert widths.min() > 0.48 and widths.max() < 1.02 and widths.std() > 0.1
    middles = found.mean((1, 2, 3))
    assert (middles.abs() < 1 - widths + 0.02).all() and middles.std() > 0.1


def test_training_follows_from_the_seed():
    pixels = module.training_pictures(80)
    assert pixels.shape == (80, 96, 96, 3)
    first, again = (module.train_extractor(pixels, steps=3, batch_size=12) for _ in range(2))
    for one, other in zip(first.state_dict().values(), again.state_dict().values(), strict=True):
        assert torch.equal(one, other)
    features = extract(first, module._smaller(pixels))
    assert features.mean(0) == pytest.approx(0, abs=1e-4)
    assert features.var(0).mean() == pytest.approx(1, rel=0.05)


def recognised(network, pixels):
    """Share of covers whose own right half is the nearest to their left half."""
    halves = [extract(network, np.ascontiguousarray(half)) for half in np.split(pixels, 2, axis=2)]
    return (metrics.nearest(*halves)[1] == np.arange(len(pixels))).mean()


def test_a_cover_is_known_by_its_half(large):
    assert recognised(load_extractor(), shrunk(large, 64)) > 16 / len(large)  # by chance: 1


def test_lost_kinds_of_photographs_are_noticed(shared_data):
    """Random features that were fitted to these very photographs notice them, too (by 17 spreads
    to 8): the network was trained for covers, and photographs are but a part of these."""
    files = sorted((shared_data / "photos").glob("*.jpg"))[:900]
    pixels = np.stack([np.asarray(Image.open(f).convert("RGB").resize((64, 64))) for f in files])
    kinds = np.array([file.stem.split("_")[1] for file in files])
    seen = extract(load_extractor(), pixels)
    real, rest = seen[:450], seen[450:]
    same = [metrics.mmd2(rest[i::5], real) for i in range(5)]
    few = metrics.mmd2(rest[np.isin(kinds[450:], ("shoes", "hat"))], real)
    assert (few - np.mean(same)) / np.std(same) > 5
