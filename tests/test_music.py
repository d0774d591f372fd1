"""A folder of music, made here: clicks, tones and noise in every format that is promised."""

import base64
import io

import av
import mutagen
import numpy as np
import pytest
from mutagen.flac import FLAC, Picture
from mutagen.id3 import APIC, ID3, TALB, TDRC, TIT2, TPE1, TPE2, TSRC
from mutagen.mp4 import MP4, MP4Cover
from PIL import Image

from albumlib.dataset.catalog import Catalog
from albumlib.dataset.gathering import gather
from albumlib.sources.base import SourceError
from albumlib.sources.music import (
    RATE,
    Music,
    decoded,
    embedded_cover,
    energy,
    features_of,
    loudness,
    tags_of,
)
from tests.servers.world import Services, World, sources_for, web_for

pytestmark = pytest.mark.usefixtures("measured_at_once")
CODECS = {".mp3": "libmp3lame", ".flac": "flac", ".opus": "libopus", ".ogg": "flac", ".m4a": "aac"}


def clicks(bpm, seconds=20, rate=48_000):
    """A drum machine: short bursts of noise, (1, n) float32."""
    sound = np.zeros(seconds * rate, np.float32)
    burst = np.random.default_rng(0).normal(0, 0.2, 2000) * np.exp(-np.arange(2000) / 300)
    for beat in np.arange(0, len(sound) - 2000, 60 / bpm * rate).astype(int):
        sound[beat : beat + 2000] += burst.astype(np.float32)
    return sound[None]


def tone(amplitude, hertz=440, seconds=5, rate=48_000):
    return (amplitude * np.sin(2 * np.pi * hertz * np.arange(seconds * rate) / rate))[None].astype(
        np.float32
    )


def noise(seconds=5):
    return np.random.default_rng(1).uniform(-0.9, 0.9, (1, seconds * 48_000)).astype(np.float32)


def encode(path, sound, rate=48_000):
    """Write sound (channels, n) in the format of the path's ending."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as file:
        stream = file.add_stream(CODECS[path.suffix], rate=rate)
        stream.layout = "mono" if len(sound) == 1 else "stereo"
        kind = "s16" if CODECS[path.suffix] == "flac" else "fltp"
        for start in range(0, sound.shape[1], 4096):
            part = np.ascontiguousarray(sound[:, start : start + 4096])
            if kind == "s16":
                part = (part.T * 32767).round().astype(np.int16).reshape(1, -1)
            frame = av.AudioFrame.from_ndarray(part, format=kind, layout=stream.layout.name)
            frame.sample_rate, frame.pts = rate, start
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    return path


def jpeg(colour):
    stream = io.BytesIO()
    Image.new("RGB", (32, 32), colour).save(stream, "JPEG")
    return stream.getvalue()


def block(data, kind=3):
    picture = Picture()
    picture.type, picture.mime, picture.data = kind, "image/jpeg", data
    return picture


ABOUT = {
    "title": "Señorita", "artist": "One", "albumartist": "Many", "album": "Songs",
    "date": "2019-06-14", "genre": "pop", "isrc": "QZABC1900001",
}  # fmt: skip


def tag(path, picture=None, **about):
    """Write tags, and a picture if there is one, as players do."""
    file = mutagen.File(path, easy=True)
    if file.tags is None:
        file.add_tags()
    tags_of(path)  # knows how an ISRC is written in M4A
    file.update(about)
    file.save()
    if not picture:
        return path
    if path.suffix == ".mp3":
        id3 = ID3(path)
        id3.add(APIC(mime="image/png", type=4, desc="back", data=b"the back"))
        id3.add(APIC(mime="image/jpeg", type=3, desc="front", data=picture))
        id3.save()
    elif path.suffix == ".flac":
        flac = FLAC(path)
        flac.add_picture(block(b"the back", 4))
        flac.add_picture(block(picture))
        flac.save()
    elif path.suffix == ".m4a":
        mp4 = MP4(path)
        mp4["covr"] = [MP4Cover(picture)]
        mp4.save()
    else:
        ogg = mutagen.File(path)
        ogg["metadata_block_picture"] = [base64.b64encode(block(picture).write()).decode()]
        ogg.save()
    return path


def tracks(folder, **options):
    return [track for page in Music(folder, **options).pages() for track in page.tracks]


@pytest.mark.parametrize("suffix", CODECS)
def test_tags_cover_and_sound_of_every_format(tmp_path, suffix):
    picture = jpeg("red")
    tag(encode(tmp_path / f"a{suffix}", tone(0.5)), picture, **ABOUT)
    music = Music(tmp_path, workers=1)
    [page] = music.pages()
    [track] = page.tracks
    assert (track.name, track.artist, track.album) == ("Señorita", "One", "Songs")
    assert (track.release_date, track.genre, track.isrc) == ("2019-06-14", "pop", "QZABC1900001")
    # LAME turns everything down by 0.45 dB
    assert track.features["loudness"] == pytest.approx(20 * np.log10(0.5 / np.sqrt(2)), abs=0.5)
    assert 0 <= track.features["energy"] <= 1
    assert music.cover(track.cover, 300) == picture


@pytest.mark.parametrize("bpm", [84, 100, 120, 128, 150])
def test_the_tempo_of_a_drum_machine(tmp_path, bpm):
    found = features_of(encode(tmp_path / "a.flac", clicks(bpm)))
    assert found["tempo"] == pytest.approx(bpm, rel=0.01)


def test_loudness_is_that_of_a_sine_whatever_the_channels():
    for amplitude in (0.9, 0.1, 0.003):
        sine = tone(amplitude)
        assert loudness(sine) == pytest.approx(20 * np.log10(amplitude / np.sqrt(2)), abs=0.01)
        assert loudness(np.concatenate([sine, -sine])) == pytest.approx(loudness(sine))
    assert loudness(np.zeros((1, 9))) == -60


def test_energy_orders_sounds_as_ears_do(tmp_path):
    lullaby = features_of(encode(tmp_path / "a.flac", tone(0.02, 220)))
    drums = features_of(encode(tmp_path / "b.flac", clicks(120)))
    storm = np.clip(4 * clicks(330, 5) + noise() / 10, -1, 1)
    loud = features_of(encode(tmp_path / "c.flac", storm))
    assert lullaby["energy"] < 0.1 < drums["energy"] < loud["energy"] <= 1
    assert "tempo" not in lullaby  # a tone has no beat


def test_energy_by_hand():
    mono = tone(0.5, 1000, rate=RATE)[0]
    loud, busy, bright = (-9 + 30) / 24, (20 / 5 - 0.5) / 5.5, np.log(1000 / 500) / np.log(8)
    assert energy(mono, 20, -9.0) == pytest.approx((loud + busy + bright) / 3, abs=0.002)
    assert energy(mono, 0, -60.0) == pytest.approx(bright / 3, abs=0.002)


def test_silence_and_damage_cost_features_and_nothing_else(tmp_path):
    encode(tmp_path / "a.flac", np.zeros((1, 48_000), np.float32))
    (tmp_path / "b.mp3").write_bytes(b"no music")
    whole = encode(tmp_path / "c.mp3", tone(0.5, seconds=10)).read_bytes()
    (tmp_path / "c.mp3").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "d.m4a").write_bytes(b"")
    (tmp_path / "e.txt").write_text("no music either")
    found = tracks(tmp_path, workers=1)
    assert [(track.id, track.name) for track in found] == [
        ("a.flac", "a"), ("b.mp3", "b"), ("c.mp3", "c"), ("d.m4a", "d"),
    ]  # fmt: skip
    assert [track.features.get("loudness") for track in found] == [
        None, None, pytest.approx(-9.03, abs=0.5), None,
    ]  # fmt: skip
    assert all(track.cover == "" for track in found)


def test_tracks_of_an_album_share_the_first_cover_there_is(tmp_path):
    sound = tone(0.1, seconds=1)
    red, blue = jpeg("red"), jpeg("blue")
    tag(encode(tmp_path / "x/1.mp3", sound), None, album="One", title="a")
    tag(encode(tmp_path / "x/2.mp3", sound), red, album="One", title="b")
    tag(encode(tmp_path / "y/1.flac", sound), None, album="One", title="c")  # of somebody else
    tag(encode(tmp_path / "z/1.ogg", sound), None, title="no album")
    tag(encode(tmp_path / "z/2.ogg", sound), None, title="no album either")
    (tmp_path / "y" / "Cover.JPG").write_bytes(blue)
    music = Music(tmp_path, workers=1)
    found = [track for page in music.pages() for track in page.tracks]
    assert [track.cover for track in found] == ["x/2.mp3", "x/2.mp3", "y/Cover.JPG", "", ""]
    assert len({track.album_id for track in found}) == 4
    assert music.cover("x/2.mp3", 300) == red and music.cover("y/Cover.JPG", 300) == blue


def test_an_album_of_several_artists_and_folders_is_one(tmp_path):
    sound = tone(0.1, seconds=1)
    for disc, artist in (("cd 1", "Ann"), ("cd 2", "Bob")):
        file = encode(tmp_path / disc / "1.flac", sound)
        tag(file, None, album="Hits", albumartist="Various", artist=artist)
    first, second = tracks(tmp_path, workers=1)
    assert first.album_id == second.album_id and first.artist != second.artist


def test_several_processes_find_what_one_finds_and_resume(tmp_path):
    for number in range(10):
        tag(encode(tmp_path / f"{number}.flac", tone(0.05 * (number + 1), seconds=1)), album="A")
    alone = list(Music(tmp_path, workers=1).pages())
    assert [len(page.tracks) for page in alone] == [8, 2]
    assert list(Music(tmp_path, workers=2).pages()) == alone
    assert list(Music(tmp_path, workers=1).pages(alone[0].next)) == alone[1:]


def test_what_cannot_be_heard_comes_from_reccobeats_by_isrc(tmp_path):
    world = World(albums=2)
    services = Services(world)
    labels = sources_for(web_for(services.addresses), services.addresses, artist="x")[1]
    folder = tmp_path / "music"
    tag(encode(folder / "a.flac", tone(0.5)), jpeg("red"), **ABOUT | {"isrc": world.isrc(1)})
    counts = gather(Music(folder, workers=1), tmp_path / "out", labels=labels)
    services.close()
    assert counts["tracks"] == counts["covers done"] == counts["labels done"] == 1
    with Catalog(tmp_path / "out" / "catalog.sqlite") as catalog:
        [row] = catalog.tracks().to_dict("records")
    assert row["valence"] == world.features(1)["valence"]
    assert row["popularity"] == world.popularity(1)
    assert row["loudness"] == pytest.approx(-9.03, abs=0.3)  # what was measured stays


def test_the_front_cover_comes_before_an_icon_and_before_an_empty_picture(root, tmp_path):
    music = root / "tests" / "cases" / "music"
    red = np.asarray(Image.open(io.BytesIO(embedded_cover(music / "icon_and_other.mp3"))))
    assert red[..., 0].mean() > 150 > red[..., 2].mean()
    song = encode(tmp_path / "a.mp3", tone(0.2))
    tags = ID3()
    for kind, data in ((1, b"icon"), (3, b""), (4, b"the back"), (0, b"")):
        tags.add(APIC(mime="image/png", type=kind, desc=str(kind), data=data))
    tags.save(song)
    assert embedded_cover(song) == b"the back"


def test_a_date_of_zeros_is_unknown(root):
    files = Music(root / "tests" / "cases" / "music", workers=1)
    dates = {track.id: track.release_date for page in files.pages() for track in page.tracks}
    assert dates["id3_0000.mp3"] == ""


def test_files_added_before_others_are_found_with_covers_added_too(tmp_path):
    encode(tmp_path / "music" / "m.flac", tone(0.2))
    gather(Music(tmp_path / "music", workers=1), tmp_path / "out")
    encode(tmp_path / "music" / "a.flac", tone(0.4))
    Image.new("RGB", (64, 64), "red").save(tmp_path / "music" / "cover.webp")
    counts = gather(Music(tmp_path / "music", workers=1), tmp_path / "out")
    assert (counts["tracks"], counts["covers done"]) == (2, 1)


def test_an_old_id3_is_read_too(tmp_path):
    path = encode(tmp_path / "a.mp3", tone(0.1, seconds=1))
    id3 = ID3()
    for frame in (
        TIT2(text="T"),
        TPE1(text="A"),
        TPE2(text="B"),
        TALB(text="C"),
        TDRC(text="1999"),
    ):
        id3.add(frame)
    id3.add(TSRC(text="qz-abc-19-00001"))
    id3.save(path, v2_version=3)
    [track] = tracks(tmp_path, workers=1)
    assert (track.name, track.artist, track.album, track.release_date) == ("T", "A", "C", "1999")
    assert track.isrc == "QZABC1900001"


def test_places_without_music_are_told(tmp_path):
    with pytest.raises(SourceError, match="there is no folder"):
        Music(tmp_path / "nowhere")
    with pytest.raises(SourceError, match="holds no music"):
        Music(tmp_path)
    assert decoded(tmp_path / "nowhere.mp3") is None


def test_processes_that_measure_at_once_compile_one_after_the_other(measured_at_once):
    """Where nothing is compiled, as in a fresh environment: numba's files had been spoiled."""
    codes, tempos = zip(*measured_at_once, strict=True)
    assert codes == (0, 0, 0)
    assert [float(tempo) for tempo in tempos] == pytest.approx([120] * 3, rel=0.02)
