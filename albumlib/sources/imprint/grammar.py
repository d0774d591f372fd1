"""Names of tracks, albums and artists: a small grammar whose words lean on the features."""

import numpy as np

from albumlib import features

# For each feature, words that a low and a high value call for.
WORDS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "valence": (
        ("Grief", "November", "Shadow", "Ash", "Lonely", "Grey", "Winter", "Farewell", "Rain"),
        ("Sunshine", "Happy", "Golden", "Summer", "Laughing", "Honey", "Parade", "Bright"),
    ),
    "energy": (
        ("Quiet", "Sleeping", "Slow", "Feather", "Still", "Soft", "Hush", "Lull"),
        ("Fire", "Riot", "Thunder", "Voltage", "Burning", "Engine", "Storm", "Blaze"),
    ),
    "acousticness": (
        ("Neon", "Circuit", "Chrome", "Signal", "Laser", "Digital", "Static"),
        ("Wooden", "Cedar", "River", "Porch", "Hollow", "Meadow", "Birch", "Barn"),
    ),
    "danceability": (
        ("Wandering", "Drift", "Broken", "Fog", "Crooked", "Standing"),
        ("Dancing", "Groove", "Disco", "Floor", "Hips", "Sway", "Shuffle"),
    ),
    "tempo": (
        ("Waiting", "Heavy", "Anchor", "Crawl", "Patience"),
        ("Running", "Racing", "Hurry", "Chase", "Rapid", "Sprint"),
    ),
    "liveness": (
        ("Room", "Studio", "Alone", "Closed"),
        ("Crowd", "Encore", "Arena", "Tonight", "Applause"),
    ),
    "instrumentalness": (
        ("Singing", "Voice", "Word", "Chorus"),
        ("Étude", "Theme", "Interlude", "Opus", "Nocturne", "№"),
    ),
    "speechiness": (
        ("Melody", "Hum", "Tune"),
        ("Talking", "Preacher", "Sermon", "Verse", "Rumour"),
    ),
    "loudness": (("Whisper", "Distant", "Faint"), ("Loud", "Amplifier", "Roar", "Wall")),
    "popularity": (("Hidden", "Attic", "Demo"), ("Everybody", "Famous", "Radio")),
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
    return _pick(WORDS[features.NAMES[feature]][int(ranks[feature] > 0.5)], rng)


def _pick(words: tuple[str, ...], rng: np.random.Generator) -> str:
    return words[rng.integers(len(words))]
