"""Labels that nobody knows stay missing, from the source to a trained model."""

import io
import math
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from albumlib import features
from albumlib.dataset import cleaning
from albumlib.dataset.gathering import gather
from albumlib.sources.imprint.imprint import Imprint
from albumlib.training import loop
from tests.servers.spotify import Spotify
from tests.servers.world import Services, World, sources_for, web_for
from tests.test_spotify import credentials, opened  # noqa: F401


class Patchy(Imprint):
    """Of every three albums one has no features, and one no popularity."""

    def tracks(self, start=0):
        for track in super().tracks(start):
            known = track.features
            case = int(track.cover.removeprefix("album/")) % 3
            known = {} if case == 0 else known
            known = {n: v for n, v in known.items() if case != 1 or n != "popularity"}
            yield replace(track, features=known)


def test_missing_labels_stay_missing_and_a_model_copes(tmp_path):
    gather(Patchy(albums=45, corruption=0), tmp_path, size=64, workers=1)
    covers = cleaning.clean(tmp_path, size=32, workers=1)
    missing = np.isnan(np.asarray(covers.labels)).mean(0)
    popularity = features.NAMES.index("popularity")
    assert len(covers.labels) == 45
    np.testing.assert_allclose(missing, [2 / 3 if n == popularity else 1 / 3 for n in range(10)])
    assert trains(covers, tmp_path / "model")


class Painted(World):
    """A world in which no two covers are alike."""

    def picture(self, album, width):
        file = io.BytesIO()
        noise = np.random.default_rng(album).integers(0, 256, (8, 8, 3), np.uint8)
        Image.fromarray(noise).resize((width, width)).save(file, "JPEG")
        return file.getvalue()


@pytest.mark.usefixtures("credentials")
def test_tracks_features_and_covers_of_three_services_end_in_a_model(tmp_path):
    """Tracks from Spotify, features from ReccoBeats, covers from the Cover Art Archive."""
    server, services = Spotify(albums=40, length=1), Services(Painted(albums=40, length=1))
    web = web_for(services.addresses)
    archive, labels = sources_for(web, services.addresses, label="x")
    source = opened(server, tmp_path, search="x")
    counts = gather(source, tmp_path, labels=labels, covers=archive.covers, size=250)
    assert not [request for request in server.requests if request.path.startswith("/i/")]
    server.close()
    services.close()
    assert (counts["tracks"], counts["covers done"], counts["covers failed"]) == (40, 36, 4)
    covers = cleaning.clean(tmp_path, size=32, workers=1)
    unknown = [n for n in range(40) if services.world.has_cover(n) and n % 10 in (3, 7)]
    assert len(covers.labels) == 36
    assert np.isnan(np.asarray(covers.labels)).all(1).sum() == len(unknown) == 8
    assert trains(covers, tmp_path / "model")


def trains(covers, folder) -> bool:
    """Whether a conditional model can be trained, without a number that is none."""
    config = loop.TrainingConfig(
        size=32, labels=True, steps=2, batch_size=8, generator_width=4, critic_width=8, log_every=1
    )
    records: list[dict] = []
    loop.train(config, covers.images, covers.labels, folder, progress=records.append)
    values = [value for record in records for value in record.values()]
    return len(records) == 2 and all(map(math.isfinite, values))
