"""Labels that nobody knows stay missing, from the source to a trained model."""

import math
from dataclasses import replace

import numpy as np

from albumlib import cleaning, features, training
from albumlib.gathering import gather
from albumlib.sources.synthetic import RecordLabel


class Patchy(RecordLabel):
    """Of every three albums one has no features, and one no popularity."""

    def tracks(self, start=0):
        for track in super().tracks(start):
            known = track.features
            case = int(track.cover.removeprefix("album/")) % 3
            known = {} if case == 0 else known
            known = {n: v for n, v in known.items() if case != 1 or n != "popularity"}
            yield replace(track, features=known)


def test_missing_labels_stay_missing_and_a_model_copes(tmp_path):
    gather(Patchy(albums=45, dirt=0), tmp_path, size=64, workers=1)
    covers = cleaning.clean(tmp_path, size=32, workers=1)
    missing = np.isnan(np.asarray(covers.labels)).mean(0)
    popularity = features.NAMES.index("popularity")
    assert len(covers.labels) == 45
    np.testing.assert_allclose(missing, [2 / 3 if n == popularity else 1 / 3 for n in range(10)])
    config = training.TrainingConfig(
        size=32, labels=True, steps=2, batch_size=8, generator_width=4, critic_width=8, log_every=1
    )
    records: list[dict] = []
    training.train(
        config, covers.images, covers.labels, tmp_path / "model", progress=records.append
    )
    assert len(records) == 2
    assert all(math.isfinite(value) for record in records for value in record.values())
