import numpy as np
import pytest
import torch
from PIL import Image, ImageSequence

from albumlib.features import NAMES
from albumlib.models.networks import Generator
from albumlib.sampling import request, video
from albumlib.sampling.request import Request, RequestError

FIRST = Request((1,), request.from_label(np.full(10, -0.8)))
LAST = Request((2,), request.from_label(np.full(10, 0.8)))


@pytest.fixture(scope="module")
def generator():
    torch.manual_seed(0)
    return Generator(32, latent=8, labels=10, width=4).eval().requires_grad_(False)


def test_a_video_begins_with_the_first_request_and_ends_with_the_last(generator):
    shown = list(video.frames([FIRST, LAST], generator, 4))
    assert len(shown) == 5
    np.testing.assert_array_equal(shown[0], FIRST.draw(generator))
    np.testing.assert_array_equal(shown[-1], LAST.draw(generator))
    assert len({frame.tobytes() for frame in shown}) == 5


def test_a_loop_comes_back_and_shows_nothing_twice(generator):
    shown = list(video.frames([FIRST, LAST], generator, 3, loop=True))
    assert len(shown) == 6
    np.testing.assert_array_equal(shown[3], LAST.draw(generator))
    np.testing.assert_array_equal(shown[4], video.between(LAST, FIRST, 1 / 3, generator))


def test_halfway_labels_are_in_the_middle_and_open_ones_those_of_the_nearer(generator, monkeypatch):
    conditions = []
    monkeypatch.setattr(video.latent, "draw", lambda _g, _z, rows: conditions.append(rows))
    values = [*LAST.features]
    values[NAMES.index("energy")] = None
    half_open = Request((2,), tuple(values))
    for share in (0.25, 0.75):
        video.between(FIRST, half_open, share, generator)
    energy = NAMES.index("energy")
    np.testing.assert_allclose(np.delete(conditions[0], energy), -0.4, atol=1e-6)
    assert conditions[0][0, energy] == pytest.approx(-0.8) and np.isnan(conditions[1][0, energy])


@pytest.mark.parametrize("ending", ["gif", "webp", "mp4"])
def test_the_file_holds_every_frame(generator, tmp_path, ending):
    seen = []
    path = video.write(
        [FIRST, LAST], generator, tmp_path / f"video.{ending}", seconds=0.25, size=64,
        progress=lambda *done: seen.append(done),
    )  # fmt: skip
    assert seen == [("frames", n, 7) for n in range(1, 8)]
    shown = frames_of(path)
    assert len(shown) == 7 and shown[0].shape == (64, 64, 3)
    ends = [request.enlarge(one.draw(generator), 64)[0] for one in (FIRST, LAST)]
    for frame, end in zip((shown[0], shown[-1]), ends, strict=True):
        assert np.abs(frame.astype(int) - end).mean() < 8  # both formats lose a little
    assert list(tmp_path.iterdir()) == [path]


def frames_of(path):
    if path.suffix in (".gif", ".webp"):
        with Image.open(path) as file:
            return [np.asarray(frame.convert("RGB")) for frame in ImageSequence.Iterator(file)]
    av = pytest.importorskip("av")
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def test_what_cannot_become_a_video(generator, tmp_path):
    for keys, name, words in [
        ([FIRST], "a.gif", "two key frames at least"),
        ([FIRST, LAST], "a.avi", "must end in .gif, .webp or .mp4"),
        ([FIRST, Request((1, 2))], "a.gif", "as many covers"),
    ]:
        with pytest.raises(RequestError, match=words):
            video.write(keys, generator, tmp_path / name, seconds=0.1)
    assert not list(tmp_path.iterdir())


def test_a_video_that_is_given_up_leaves_nothing(generator, tmp_path):
    def stop(_what, done, _all):
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        video.write([FIRST, LAST], generator, tmp_path / "a.mp4", seconds=0.2, progress=stop)
    assert not list(tmp_path.iterdir())


def test_an_mp4_can_be_played_while_it_is_loaded(generator, tmp_path):
    file = video.write([FIRST, LAST], generator, tmp_path / "a.mp4", seconds=0.2).read_bytes()
    assert 0 < file.find(b"moov") < file.find(b"mdat")
