import itertools

import numpy as np
import pytest

from albumlib.figures import concepts, diagram
from albumlib.models.networks import Critic, Generator, channels

COVER = np.zeros((32, 32, 3), dtype=np.uint8)


def words(figure) -> str:
    return "\n".join(text.get_text() for text in figure.axes[0].texts)


def test_the_maps_are_those_of_the_networks():
    generated, scored = diagram.shapes(Generator(64, labels=10), Critic(64, 10))
    assert generated == list(zip(channels(64, 16), (4, 8, 16, 32, 64), strict=True))
    assert scored == [(64, 32), (128, 16), (256, 8), (256, 4)]


@pytest.mark.parametrize("labels", [0, 10])
def test_what_is_told_and_said_is_written_beside_the_maps(labels):
    generator, critic = Generator(32, latent=8, labels=labels), Critic(32, labels)
    said = words(diagram.networks(generator, critic, COVER))
    for channels_of, side in itertools.chain(*diagram.shapes(generator, critic)):
        assert f"{channels_of} × {side}²" in said
    assert "8 numbers" in said and "score" in said
    assert ("10 labels" in said) == ("latent and label scale" in said) == bool(labels)


def test_the_concept_drawings_name_what_they_show():
    assert {"generator G", "critic D", "real x"} <= set(words(concepts.two_players()).split("\n"))
    panels = concepts.label_ways().axes
    names = [panel.texts[-2].get_text() for panel in panels]
    assert names == ["concatenation", "FiLM", "projection", "auxiliary head"]
    means, pairs, head = concepts.losses().axes
    assert len(pairs.collections[0].get_segments()) == 16 and means.get_legend()
    assert head.get_ylabel() == "predicted"
