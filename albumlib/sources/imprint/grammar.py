"""Names of tracks, albums and artists: a small grammar whose words lean on the features."""

from collections.abc import Sequence

import numpy as np

from albumlib import features

# For each feature, the words that a low value calls for, and a high one.
LOW = {
    "valence": "Grief November Shadow Ash Lonely Grey Winter Farewell Rain",
    "energy": "Quiet Sleeping Slow Feather Still Soft Hush Lull",
    "acousticness": "Neon Circuit Chrome Signal Laser Digital Static",
    "danceability": "Wandering Drift Broken Fog Crooked Standing",
    "tempo": "Waiting Heavy Anchor Crawl Patience",
    "liveness": "Room Studio Alone Closed",
    "instrumentalness": "Singing Voice Word Chorus",
    "speechiness": "Melody Hum Tune",
    "loudness": "Whisper Distant Faint",
    "popularity": "Hidden Attic Demo",
}
HIGH = {
    "valence": "Sunshine Happy Golden Summer Laughing Honey Parade Bright",
    "energy": "Fire Riot Thunder Voltage Burning Engine Storm Blaze",
    "acousticness": "Wooden Cedar River Porch Hollow Meadow Birch Barn",
    "danceability": "Dancing Groove Disco Floor Hips Sway Shuffle",
    "tempo": "Running Racing Hurry Chase Rapid Sprint",
    "liveness": "Crowd Encore Arena Tonight Applause",
    "instrumentalness": "Étude Theme Interlude Opus Nocturne №",
    "speechiness": "Talking Preacher Sermon Verse Rumour",
    "loudness": "Loud Amplifier Roar Wall",
    "popularity": "Everybody Famous Radio",
}
NOUNS = (
    "Heart", "Road", "City", "Moon", "House", "Water", "Letter", "Filter", "Mirror", "Garden",
    "Stranger", "Map", "Harbour", "Ceiling", "Telephone", "Kingdom", "Island", "Señorita", "Café",
    "Satellite", "Elephant", "Staircase", "Avenue", "Ballon", "Ærø", "Morning",
)  # fmt: skip
ENDINGS = ("", "", "", "", "", " (Live)", " - Remastered", ", Pt. 2", " (feat. Lía Nørre)", " ✨")
FIRST = ("The", "The", "Young", "Saint", "Doctor", "Lady", "DJ", "Los", "Old", "")
BANDS = (
    "Paper Lions", "Quiet Rooms", "Night Ferries", "Glass Cousins", "Velvet Pilots", "Hymns",
    "Magnets", "Lemon Kings", "Harbour Lights", "Polaroids", "Motel Birds", "Weathermen",
    "Marigolds", "Tall Stories", "Sœurs Lumière", "Björk & Sons", "Cartographers", "Sugar Wolves",
    "Telegraph", "Ghost Orchestra", "Atlas", "Señor Luna", "Tigers", "Carousel", "Northern Line",
)  # fmt: skip
PATTERNS = ("{word} {noun}", "{noun} of {word}", "{word}", "My {word} {noun}", "{word} & {noun}")


def track_title(ranks: np.ndarray, rng: np.random.Generator) -> str:
    """A title for a track whose features stand at `ranks` (10,) among all tracks."""
    pattern = PATTERNS[rng.integers(len(PATTERNS))]
    title = pattern.format(word=_telling_word(ranks, rng), noun=_pick(NOUNS, rng))
    return title + _pick(ENDINGS, rng)


def album_title(ranks: np.ndarray, rng: np.random.Generator) -> str:
    """A title for an album: two telling words, or one and a noun."""
    first, second = _telling_word(ranks, rng), _telling_word(ranks, rng)
    if first == second or rng.random() < 0.5:
        return f"{first} {_pick(NOUNS, rng)}"
    return f"{first} {second}"


def artist_name(rng: np.random.Generator) -> str:
    return f"{_pick(FIRST, rng)} {_pick(BANDS, rng)}".strip()


def _telling_word(ranks: np.ndarray, rng: np.random.Generator) -> str:
    """A word of a feature that stands out; the further from the middle, the likelier."""
    away = np.abs(ranks - 0.5) ** 3 + 1e-4
    feature = int(rng.choice(features.COUNT, p=away / away.sum()))
    words = HIGH if ranks[feature] > 0.5 else LOW
    return _pick(words[features.NAMES[feature]].split(), rng)


def _pick(words: Sequence[str], rng: np.random.Generator) -> str:
    return words[rng.integers(len(words))]
