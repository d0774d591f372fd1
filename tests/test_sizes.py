import numpy as np
import pandas as pd
import pytest

from albumlib import features
from albumlib.dataset.coverset import CoverSet
from albumlib.models.networks import channels
from albumlib.studies import sizes
from albumlib.training.config import widths


@pytest.fixture
def sets(monkeypatch):
    """Eighty covers at two sizes, half of them held out."""
    monkeypatch.setattr(sizes, "DRAWN", 20)
    rng = np.random.default_rng(0)
    unit = rng.uniform(-0.8, 0.8, (80, 10))
    table = pd.DataFrame(features.from_unit(unit), columns=list(features.NAMES))
    table["split"] = ["train", "test"] * 40
    small = rng.integers(0, 255, (80, 64, 64, 3), dtype=np.uint8)
    at = {64: small, 128: small.repeat(2, axis=1).repeat(2, axis=2)}
    return sizes.Sets({s: CoverSet(x, table, table[:0], {}) for s, x in at.items()})


def test_a_size_more_leaves_the_coarse_layers_as_they_are():
    for size in (64, 128):
        thin, thick = (channels(s, widths(s)["generator_width"]) for s in (2 * size, size))
        assert thin[:-1] == thick


def test_builds_are_measured_at_the_smallest_size_and_at_their_own(sets):
    records = [record for record, _ in sizes.sizes(sets, 1, 0.1, ("64", "128, grown"))]
    assert [record["size"] for record in records] == [64, 128]
    assert records[0]["swd"] == pytest.approx(records[0]["swd_at_64"])
    assert records[1]["images"] >= 2 * 16  # at both sizes
    assert {"label_r2", "label_r2_shuffled", "kid", "images_per_s"} <= set(records[1])
    assert {"swd_64", "swd_128", "label_r2"} <= set(sets.references())


def test_a_grown_build_begins_with_what_the_smaller_one_learned(sets):
    first = sizes._begun(sizes.recipe("acgan", size=64, **widths(64)), sets, None)
    for _ in range(2):
        first.advance(sets.batches(first.config))
    grown = sizes._begun(sizes.recipe("acgan", size=128, **widths(128)), sets, first)
    for name, weight in first.ema.state_dict().items():
        if "to_rgb" not in name:
            assert (grown.generator.state_dict()[name] == weight).all(), name
