from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from albumlib import features
from albumlib.dataset.cleaning import clean
from albumlib.dataset.coverset import CoverSet, CoverSetError
from albumlib.dataset.gathering import gather
from albumlib.models import conditions
from albumlib.models.checkpoint import TrainingError, load_generator, read_networks
from albumlib.models.networks import draw_latents
from albumlib.models.titles import TOKENS, tokens
from albumlib.runtime.paths import PRETRAINED
from albumlib.runtime.rng import Rng
from albumlib.sampling.request import Request
from albumlib.sources.imprint import Imprint
from albumlib.training import loop
from albumlib.training.config import TrainingConfig, recipe

SMALL = {"size": 32, "batch_size": 8, "generator_width": 4, "critic_width": 4, "latent": 8}


@pytest.fixture
def covers():
    rng = np.random.default_rng(0)
    count = 24
    table = pd.DataFrame({"album": [f"Fire {n}" if n % 2 else "" for n in range(count)]})
    for name in features.NAMES:
        table[name] = np.full(count, 0.5)
    table["tempo"] = rng.uniform(80, 160, count)
    table["year"] = pd.array([1950, 2030, None] * 8, dtype="Int32")
    table["text"] = pd.array([True, False, None] * 8, dtype="boolean")
    table["split"] = ["train"] * 16 + ["heldout"] * 8
    tracks = pd.DataFrame({"name": [f"Song {n}" for n in range(8)] * 6, "row": range(48)})
    tracks["row"] //= 2
    images = rng.integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)
    return CoverSet(images, table, tracks, {"source": "test", "size": 32})


def test_a_row_is_features_then_extras_then_the_titles_tokens(covers):
    config = TrainingConfig(**SMALL, labels=True, extras="year,text", titles="both")
    rows, words = conditions.of_covers(covers, **config.conditions)
    assert rows.shape == (24, 10 + 2 + TOKENS) and rows.dtype == np.float32
    np.testing.assert_array_equal(rows[:, :10], covers.labels)
    np.testing.assert_array_equal(rows[:3, 10:12], [[-1, 1], [1, -1], [np.nan, np.nan]])
    np.testing.assert_array_equal(rows[:, 12:], tokens(conditions.cover_titles(covers), words))
    assert "fire" in words and "song" in words


def test_titles_alone_or_none_at_all(covers):
    rows, words = conditions.of_covers(covers, **TrainingConfig(**SMALL, titles="both").conditions)
    assert rows.shape == (24, TOKENS) and words
    assert conditions.of_covers(covers, **TrainingConfig(**SMALL).conditions) == (None, ())


def test_a_covers_title_is_the_albums_and_one_of_its_own_songs(covers):
    for row, title in enumerate(conditions.cover_titles(covers)):
        album, _, song = title.rpartition(": ")
        assert album == covers.table["album"][row]
        assert song in set(covers.tracks.loc[covers.tracks["row"] == row, "name"])


def test_what_the_table_lacks_is_told(covers):
    config = TrainingConfig(**SMALL, labels=True, extras="text")
    bare = CoverSet(covers.images, covers.table.drop(columns="text"), covers.tracks, {})
    with pytest.raises(CoverSetError, match="clean them with text"):
        conditions.of_covers(bare, **config.conditions)
    nameless = CoverSet(covers.images, covers.table.assign(album=""), covers.tracks.head(0), {})
    with pytest.raises(CoverSetError, match="no titles"):
        conditions.of_covers(nameless, **TrainingConfig(**SMALL, titles="both").conditions)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"extras": "decade", "labels": True}, "extras must be some of year, text"),
        ({"extras": "year"}, "set labels=true"),
        ({"titles": "letters"}, "titles must be one of"),
        ({"prior": "magic"}, "prior must be one of"),
        ({"freeze_generator": True}, "set prior"),
    ],
)
def test_a_wrong_configuration_is_one_sentence(wrong, words):
    with pytest.raises(TrainingError, match=words):
        TrainingConfig(**wrong)


def test_a_model_learns_with_everything_and_is_the_same_when_opened_again(covers, tmp_path):
    config = recipe(
        "acgan_wgan_logan", **SMALL, extras="year,text", titles="both", steps=2, log_every=1
    )
    rows, words = conditions.of_covers(covers, **config.conditions)
    made = loop.train(config, covers.images, rows, tmp_path, words=words)
    opened = load_generator(tmp_path)
    assert opened.words == words and opened.extras == ("year", "text")
    z, some = draw_latents(4, 8, torch.Generator().manual_seed(0)), torch.from_numpy(rows[:4])
    assert torch.equal(made(z, some), opened(z, some))
    assert not torch.equal(opened(z, some), opened(z, some.roll(1, 0)))


def test_what_is_left_out_is_missing(covers, tmp_path):
    config = recipe("acgan", **SMALL, extras="year", titles="both", steps=1)
    rows, words = conditions.of_covers(covers, **config.conditions)
    generator = loop.train(config, covers.images, rows, tmp_path, words=words)
    z, labels = draw_latents(2, 8, torch.Generator().manual_seed(0)), torch.zeros(2, 10)
    unknown = torch.cat([labels, torch.full((2, 1), torch.nan), torch.zeros(2, TOKENS)], dim=1)
    assert torch.equal(generator(z, labels), generator(z, unknown))
    with pytest.raises(ValueError, match="needs labels of shape"):
        generator(z, labels[:, :9])


def test_a_drawing_asks_for_what_the_model_hears(covers, tmp_path):
    config = recipe("acgan", **SMALL, extras="year,text", titles="words", steps=1)
    rows, words = conditions.of_covers(covers, **config.conditions)
    generator = loop.train(config, covers.images, rows, tmp_path, words=words)
    asked = Request(title="Fire: Song 3", year=2030, text=False).conditions(generator)
    np.testing.assert_array_equal(asked[0, 10:12], [1, -1])
    np.testing.assert_array_equal(asked[:, 12:], tokens(["Fire: Song 3"], words))
    assert np.isnan(Request().conditions(generator)[0, :12]).all()


def test_a_model_grows_an_ear_and_keeps_what_it_knew(covers, tmp_path):
    before = recipe("acgan", **SMALL, steps=2)
    loop.train(before, covers.images, covers.labels, tmp_path / "before")
    after = recipe(
        "acgan", **SMALL, extras="year", steps=1, generator_rate=1e-30, critic_rate=1e-30
    )
    rows, _ = conditions.of_covers(covers, **after.conditions)
    old = load_generator(tmp_path / "before")
    new = loop.train(after, covers.images, rows, tmp_path / "after", start=tmp_path / "before")
    z, labels = draw_latents(3, 8, torch.Generator().manual_seed(0)), torch.rand(3, 10)
    # A missing year changes nothing.
    torch.testing.assert_close(old(z, labels), new(z, labels), atol=1e-3, rtol=0)


@pytest.mark.parametrize("kind", ["folded", "residual"])
def test_residual_critics_grow_too(covers, tmp_path, kind):
    more = {"critic_blocks": kind, "generator_residual": True, "generator_noise": True}
    small = recipe("acgan", **SMALL, **more, steps=1)
    loop.train(small, covers.images, covers.labels, tmp_path / "a")
    sides = SMALL | {"size": 64, "generator_width": 2, "critic_width": 2}
    large = recipe("acgan", **sides, **more, steps=1, generator_rate=1e-9, critic_rate=1e-9)
    images = covers.images.repeat(2, axis=1).repeat(2, axis=2)
    loop.train(large, images, covers.labels, tmp_path / "b", start=tmp_path / "a")
    (_, before, _), (_, after, _) = (read_networks(tmp_path / name) for name in "ab")
    torch.testing.assert_close(before["blocks.1.first.weight"], after["blocks.2.first.weight"])


def test_a_model_grows_and_keeps_all_but_the_layers_at_the_picture(covers, tmp_path):
    small = SMALL | {"generator_width": 4, "critic_width": 4}
    loop.train(recipe("acgan", **small, steps=2), covers.images, covers.labels, tmp_path / "a")
    large = small | {"size": 128, "generator_width": 1, "critic_width": 1}
    config = recipe("acgan", **large, steps=1, generator_rate=1e-30, critic_rate=1e-30)
    images = covers.images.repeat(4, axis=1).repeat(4, axis=2)
    loop.train(config, images, covers.labels, tmp_path / "b", start=tmp_path / "a")
    (small_generator, small_critic, _), (large_generator, large_critic, _) = (
        read_networks(tmp_path / name) for name in "ab"
    )
    for name in ("stem.weight", "blocks.0.convolution.weight", "blocks.3.film.weight"):
        assert torch.equal(small_generator[name], large_generator[name])
    for layer in (1, 2):
        assert torch.equal(
            small_critic[f"blocks.{layer}.weight"], large_critic[f"blocks.{layer + 2}.weight"]
        )
    for name in ("dense.weight", "score.bias", "auxiliary.weight"):
        assert torch.equal(small_critic[name], large_critic[name])


def test_networks_of_another_shape_are_refused(covers, tmp_path):
    loop.train(recipe("acgan", **SMALL, steps=1), covers.images, covers.labels, tmp_path / "a")
    other = recipe("acgan", **{**SMALL, "generator_width": 8}, steps=1)
    with pytest.raises(TrainingError, match="another shape"):
        loop.train(other, covers.images, covers.labels, tmp_path / "b", start=tmp_path / "a")


def test_any_part_may_be_all_that_is_told():
    rows = torch.ones(4000, 11 + TOKENS)
    rng = Rng(0)
    told, known, held = conditions.smoothed(
        rows, torch.ones(11), rng, noise=0.0, dropout=0.5, extras=1
    )
    assert torch.equal(known, rows[:, :11])
    parts = [told[:, :10].isfinite(), told[:, 10:11].isfinite(), told[:, 11:] > 0]
    assert all(torch.equal(part.any(1), part.all(1)) for part in parts)  # as a whole
    features, year, title = (part.any(1) for part in parts)
    seen, counts = torch.stack([features, year, title], 1).unique(dim=0, return_counts=True)
    assert len(seen) == 8 and (counts.float() / 4000 - 1 / 8).abs().max() < 0.03
    assert torch.equal(held[:, :10].isfinite().all(1), features | title)
    assert torch.equal(held[:, 10].isfinite(), year)


# Layout families ----------------------------------------------------------------------------------

NAMES = conditions.LAYOUTS


@pytest.fixture
def laid_out(covers):
    layouts = [NAMES[row % len(NAMES)] for row in range(24)]
    return CoverSet(covers.images, covers.table.assign(layout=layouts), covers.tracks, {})


def test_a_layout_is_one_column_for_each_family(laid_out):
    config = TrainingConfig(**SMALL, labels=True, extras="year,layout")
    rows, _ = conditions.of_covers(laid_out, **config.conditions)
    assert rows.shape == (24, 10 + 1 + len(NAMES))
    expected = 2 * np.eye(len(NAMES))[np.arange(24) % len(NAMES)] - 1
    np.testing.assert_array_equal(rows[:, 11:], expected)


def test_covers_without_a_known_layout(covers):
    config = TrainingConfig(**SMALL, labels=True, extras="layout")
    with pytest.raises(CoverSetError, match="only the built-in imprint knows the layout"):
        conditions.of_covers(covers, **config.conditions)
    some = covers.table.assign(layout=[None, *[NAMES[0]] * 23])
    table = CoverSet(covers.images, some, covers.tracks, {})
    rows, _ = conditions.of_covers(table, **config.conditions)
    assert np.isnan(rows[0, 10:]).all() and (rows[1, 10:13] == [1, -1, -1]).all()


def test_where_no_layout_is_asked_for_the_latent_chooses(laid_out, tmp_path):
    config = recipe("acgan", **SMALL, extras="year,layout", titles="words", steps=3)
    rows, words = conditions.of_covers(laid_out, **config.conditions)
    generator = loop.train(config, laid_out.images, rows, tmp_path, words=words)
    z, labels = draw_latents(3000, 8, torch.Generator().manual_seed(0)), torch.zeros(3000, 10)
    columns = slice(8 + 11, 8 + 11 + len(NAMES))
    chosen = generator.condition(z, labels)[:, columns].argmax(1)
    share = chosen.bincount(minlength=len(NAMES)) / 3000
    assert share.min() > 0.5 / len(NAMES) and share.max() < 2 / len(NAMES)
    asked = torch.full((1, 10 + 1 + len(NAMES)), -1.0)
    asked[0, 11 + 4] = 1
    assert generator.condition(z[:1], asked)[0, columns].argmax() == 4
    reopened = load_generator(tmp_path)
    assert torch.equal(generator(z[:4], labels[:4]), reopened(z[:4], labels[:4]))
    assert Request().draw(reopened).shape == (1, 32, 32, 3)
    assert reopened.conditioned_on == {"year", "layout", "title"}


def test_a_training_goes_on_with_networks_of_any_shape_on_covers_without_layouts(
    laid_out, covers, tmp_path
):
    shape = {"generator_residual": True, "generator_noise": True, "minibatch_stddev": 4}
    first = recipe("acgan", **SMALL, **shape, extras="layout", steps=2)
    rows, _ = conditions.of_covers(laid_out, **first.conditions)
    before = loop.train(first, laid_out.images, rows, tmp_path / "first")
    start = tmp_path / "first"
    second = recipe("acgan", start=start, extras="layout,year", steps=1, batch_size=8)
    assert replace(second, extras="layout", steps=2, batch_size=first.batch_size) == first
    rows, _ = conditions.of_covers(covers, **second.conditions, optional="layout")
    assert np.isnan(rows[:, 10:25]).all() and (rows[:2, -1] == [-1, 1]).all()
    after = loop.train(second, covers.images, rows, tmp_path / "second", start=start)
    scales = [load_generator(path).scale.learned[:, 10:25] for path in (start, tmp_path / "second")]
    assert torch.equal(*scales)  # a family that is asked for is not taken for out of range
    with pytest.raises(CoverSetError, match="no layout"):
        conditions.of_covers(covers, **second.conditions, optional="year")
    assert before.labels == 25 and after.labels == 26


def test_a_gathered_set_trains_the_recipe_that_knows_layouts(tmp_path):
    gather(Imprint(albums=40), tmp_path, size=64, workers=1)
    covers = clean(tmp_path, size=32, workers=1)
    changes = {"size": 32, "steps": 2, "batch_size": 8, "precision": "float32"}
    config = recipe("acgan_long", generator_width=4, critic_width=4, **changes)
    rows, _ = conditions.of_covers(covers, **config.conditions)
    known = rows[:, len(features.NAMES) :]
    assert ((known == 1).sum(1) == 1).all() and np.isin(known, (-1, 1)).all()
    generator = loop.train(config, covers.images, rows, tmp_path / "model")
    assert generator.layouts == [f"layout_{name}" for name in conditions.LAYOUTS]


def test_a_generator_without_its_critic_begins_no_training():
    with pytest.raises(TrainingError, match="has no critic beside it"):
        read_networks(PRETRAINED / "acgan.safetensors")
    generator, critic, about = read_networks(PRETRAINED / "acgan_start.safetensors")
    assert generator and critic and about["size"] == 64
