"""What the figures show: the right numbers, the right covers in the right places, the labels."""

import io

import matplotlib

matplotlib.use("agg")

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb
from PIL import Image

from albumlib import figures
from albumlib.dataset import statistics
from albumlib.features import NAMES
from albumlib.figures import data_plots

figures.use_style()


@pytest.fixture
def table() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({name: rng.uniform(0, 1, 200) for name in NAMES})
    return frame.assign(album_id=np.arange(200) // 4, year=1980 + np.arange(200) // 10)


def plain(count: int) -> np.ndarray:
    """Covers of one colour each: number i is grey of value i."""
    return np.stack([np.full((4, 4, 3), i, np.uint8) for i in range(count)])


def shown(axes) -> list[tuple[int, float, float]]:
    """For each picture on the axes its grey value and its upper left corner."""
    images = axes.images
    return [(int(i.get_array()[0, 0, 0]), i.get_extent()[0], i.get_extent()[3]) for i in images]


def words(figure) -> str:
    return " | ".join(text.get_text() for text in figure.findobj(matplotlib.text.Text))


# Sheets -----------------------------------------------------------------------------------------


def test_covers_are_placed_in_reading_order_with_their_titles():
    figure = figures.covers(plain(7), [f"song {i}" for i in range(7)], columns=3, title="Seven")
    places = shown(figure.axes[0])
    assert [value for value, *_ in sorted(places, key=lambda p: (p[2], p[1]))] == list(range(7))
    assert len({x for _, x, _ in places}) == 3 and len({y for *_, y in places}) == 3
    assert "song 6" in words(figure) and "Seven" in words(figure)


def test_without_a_selection_the_agreement_says_so():
    assert "Nothing was selected" in words(figures.agreement(pd.DataFrame(), pd.DataFrame()))


def test_a_picture_that_is_not_square_keeps_its_shape():
    image = figures.covers([np.zeros((10, 40, 3), np.uint8)], columns=1).axes[0].images[0]
    left, right, bottom, top = image.get_extent()
    assert (right - left) / (bottom - top) == pytest.approx(4)


def test_pairs_stand_above_each_other():
    places = shown(figures.pairs(plain(5), plain(10)[5:]).axes[0])
    corner = {value: (x, y) for value, x, y in places}
    for i in range(5):
        assert corner[i][0] == corner[i + 5][0] and corner[i][1] < corner[i + 5][1]


def test_sweeps_put_a_feature_in_a_row_and_steps_from_left_to_right():
    figure = figures.feature_sweeps(plain(30).reshape(10, 3, 4, 4, 3), NAMES)
    rows = {value // 3: y for value, _, y in shown(figure.axes[0])}
    assert sorted(rows, key=rows.get) == list(range(10))
    first = sorted((x, value) for value, x, _ in shown(figure.axes[0]) if value < 3)
    assert [value for _, value in first] == [0, 1, 2]
    assert all(name in words(figure) for name in NAMES)


def test_album_row_shows_every_song_once_and_needs_a_title_each():
    figure = figures.album_row(plain(5), plain(8)[6], plain(8)[7], list("abcde"))
    assert sorted(value for value, *_ in shown(figure.axes[0])) == [0, 1, 2, 3, 4, 6, 7]
    with pytest.raises(ValueError):
        figures.album_row(plain(5), plain(1)[0], plain(1)[0], ["only one"])


def test_extremes_read_from_low_to_high_with_means_outside():
    values = pd.DataFrame({"energy": np.arange(100.0)[::-1]})  # cover 99 has the lowest energy
    figure = figures.extremes(plain(100), values, examples=2)
    row = [value for value, x, _ in sorted(shown(figure.axes[0]), key=lambda p: p[1])]
    assert row == [94, 99, 90, 9, 0, 4]  # the means of 90..99 and of 0..9, rounded to even


def test_sample_history_takes_the_upper_left_corner_in_order_of_steps(tmp_path):
    for step in (300, 20, 100):
        grid = np.zeros((32, 32, 3), np.uint8)
        grid[:8, :8] = step % 256
        Image.fromarray(grid).save(tmp_path / f"{step:06d}.png")
    figure = figures.sample_history(tmp_path, steps=3, cells=2)
    assert [axes.get_title(loc="left") for axes in figure.axes] == [
        "step 20",
        "step 100",
        "step 300",
    ]
    assert [int(axes.images[0].get_array().max()) for axes in figure.axes] == [20, 100, 44]
    assert figure.axes[0].images[0].get_array().shape == (8, 8, 3)
    with pytest.raises(FileNotFoundError, match="train first"):
        figures.sample_history(tmp_path / "nothing")


def test_quarantine_bars_are_as_long_as_the_counts():
    figure = figures.quarantine({"truncated": 8, "empty": 2}, {"truncated": plain(1)[0]})
    lengths = [bar.get_width() for bar in figure.axes[0].patches]
    assert lengths[0] / lengths[1] == pytest.approx(4)
    assert len(figure.axes[0].images) == 1 and "nothing" in words(figure)


def test_glimpse_shows_half_a_file_and_nothing_of_no_file():
    stream = io.BytesIO()
    Image.new("RGB", (300, 300), (200, 30, 30)).save(stream, "JPEG")
    whole = stream.getvalue()
    assert figures.glimpse(whole, side=64).shape == (64, 64, 3)
    half = figures.glimpse(whole[: len(whole) - 400], side=64)
    assert half[0, 0, 0] > 150 and np.ptp(half[-1, -1]) < 60
    assert figures.glimpse(b"") is None and figures.glimpse(b"<html>404</html>") is None


@pytest.mark.parametrize(
    "draw",
    [
        lambda table: figures.correlations(table),
        lambda table: figures.album_spread(table),
        lambda table: figures.over_time(table, "energy"),
        lambda table: figures.extremes(plain(3), table),
        lambda table: figures.real_and_independent(table, table),
    ],
)
def test_without_labels_a_figure_says_so(draw):
    bare = pd.DataFrame({"album_id": list("abc"), "year": np.nan} | dict.fromkeys(NAMES, np.nan))
    assert "nothing to" in words(draw(bare))


# Charts -----------------------------------------------------------------------------------------


def test_histograms_count_every_row_and_mark_the_median(table):
    table.loc[:49, "energy"] = np.nan
    figure = figures.feature_histograms(table.drop(columns="tempo"))
    by_name = {axes.get_title(loc="left"): axes for axes in figure.axes}
    assert tuple(by_name) == NAMES
    assert sum(bar.get_height() for bar in by_name["valence"].patches) == 200
    assert sum(bar.get_height() for bar in by_name["energy"].patches) == 150
    assert by_name["energy"].lines[0].get_xdata()[0] == pytest.approx(table["energy"].median())
    assert not by_name["tempo"].patches and "no values" in words(figure)


def test_correlations_print_each_pair_once_in_its_cell(table):
    table["loudness"] = -table["energy"]
    axes = figures.correlations(table).axes[0]
    cells = {tuple(t.get_position()): t.get_text() for t in axes.texts}
    assert len(cells) == 45
    column, row = NAMES.index("energy"), NAMES.index("loudness") - 1
    assert cells[(column, row)] == "\N{MINUS SIGN}1.00"


def test_visible_has_a_row_for_each_label_and_a_column_for_each_measure(table):
    measures = pd.DataFrame({"lightness": table["energy"] ** 2, "contrast": -table["tempo"]})
    axes = figures.visible(statistics.rank_correlations_between(table, measures)).axes[0]
    cells = {tuple(t.get_position()): t.get_text() for t in axes.texts}
    assert cells[(0, NAMES.index("energy"))] == "+1.00"
    assert cells[(1, NAMES.index("tempo"))] == "\N{MINUS SIGN}1.00"
    assert len(cells) == 20


def test_over_time_draws_the_medians(table):
    axes = figures.over_time(table, "popularity").axes[0]
    assert axes.lines[0].get_ydata() == pytest.approx(
        statistics.by_year(table, "popularity")["median"]
    )


def test_album_spread_bars_are_the_shares(table):
    axes = figures.album_spread(table).axes[0]
    widths = [bar.get_width() for bar in axes.patches]
    assert widths[10:] == pytest.approx(sorted(statistics.album_share(table)))


def test_funnel_shows_what_is_left_and_what_was_lost():
    figure = figures.funnel({"gathered": 1200, "decoded": 1150, "kept": 1150})
    assert [bar.get_width() for bar in figure.axes[0].patches] == [1200, 1150, 1150]
    assert "1,200" in words(figure) and words(figure).count("\N{MINUS SIGN}50") == 1


def test_catalogue_state_colours_one_cell_a_cover():
    states = ["done"] * 5 + ["failed"] + ["todo"] * 4
    cells = figures.catalogue_state({"now": states}).axes[0].images[0].get_array()
    flat = np.asarray(cells).reshape(-1, 3)[:10]
    assert [tuple(cell) for cell in flat] == [to_rgb(data_plots.STATES[state]) for state in states]


def test_timeline_rises_by_one_cover_at_each_arrival():
    line = figures.timeline([4.0, 0.0, 1.0]).axes[0].lines[0]
    assert line.get_xdata().tolist() == [0, 1, 4] and line.get_ydata().tolist() == [1, 2, 3]


def test_training_curves_draw_each_run_and_forgive_missing_keys():
    records = [{"step": 10 * i, "critic_loss": float(i)} for i in range(5)]
    figure = figures.training_curves(
        {"a": records, "b": records[:3]}, ["critic_loss", "latent_cost"]
    )
    raw = figure.axes[0].lines[0]
    assert raw.get_xdata().tolist() == [0, 10, 20, 30, 40]
    assert raw.get_ydata().tolist() == [0, 1, 2, 3, 4]
    assert len(figure.axes[0].lines) == 4 and len(figure.axes[1].lines[0].get_xdata()) == 0
    assert {"a", "b"} <= {t.get_text() for t in figure.legends[0].get_texts()}


def test_recovery_bars_show_the_values_and_grey_out_what_cannot_be_seen():
    rng = np.random.default_rng(0)
    real, model = rng.uniform(0, 1, (2, 10))
    figure = figures.label_recovery_bars(NAMES, {"real": real, "model": model}, real > 0.3)
    bars = [container.datavalues for container in figure.axes[0].containers]
    assert bars[0] == pytest.approx(real) and bars[1] == pytest.approx(model)
    grounds = len(figure.axes[0].patches) - 20
    assert grounds == (real <= 0.3).sum()


def test_no_two_groups_of_bars_look_the_same():
    groups = {str(number): [0.1] for number in range(7)}
    axes = figures.label_recovery_bars(["energy"], groups).axes[0]
    assert len({bars[0].get_facecolor() for bars in axes.containers}) == 7


def test_independent_draws_lie_further_from_music(table):
    table["loudness"] = table["energy"] * 40 - 50
    figure = figures.real_and_independent(table, statistics.independent(table, 200))
    real, drawn = (axes.collections[0].get_offsets() for axes in figure.axes[:2])
    assert len(real) == len(drawn) == 200
    assert np.corrcoef(real.T)[0, 1] > 0.99 and abs(np.corrcoef(drawn.T)[0, 1]) < 0.3


def test_signs_that_no_font_has_are_left_out_of_captions(silent):
    figure = figures.covers(np.zeros((1, 8, 8, 3), np.uint8), ["Æther \N{SPARKLES} 夜"])
    figure.canvas.draw()
    assert [text.get_text() for text in figure.axes[0].texts] == ["Æther"]


def test_damage_curves_have_a_panel_for_each_number_and_a_line_for_each_kind():
    rows = [
        ("blur", 0, 1.0, 0.9),
        ("blur", 1, 3.0, 0.7),
        ("noise", 0, 1.0, 0.9),
        ("noise", 1, 5, 0),
    ]
    found = pd.DataFrame(rows, columns=["kind", "strength", "fd", "coverage"])
    figure = figures.damage_curves(found, {"fd": 0.5})
    panels = [axes for axes in figure.axes if axes.get_visible()]
    assert [axes.get_title(loc="left") for axes in panels] == ["fd", "coverage"]
    drawn = {line.get_label(): list(line.get_ydata()) for line in panels[0].lines}
    assert drawn["blur"] == [1, 3] and drawn["noise"] == [1, 5]
    assert [0.5, 0.5] in drawn.values() and len(panels[1].lines) == 2  # one reference is known


def test_the_sanity_table_names_what_moved_by_three_spreads():
    rows = [("blur", 1.0, "fd", 12.3), ("blur", 2.0, "fd", -40), ("hue", 15.0, "fd", 0.4)]
    rows += [("blur", 1.0, "kid", 1.0), ("blur", 2.0, "kid", 2000), ("hue", 15.0, "kid", 3.2)]
    found = pd.DataFrame(rows, columns=["damage", "strength", "measure", "away"])
    [axes] = figures.sanity(found).axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["blur 1", "blur 2", "hue 15"]
    shown = [text.get_text() for text in axes.texts]
    assert shown == ["12", "", "40", ">999", "", "3"]


def test_feature_positions_mark_what_was_asked_among_real_values():
    table = pd.DataFrame({"energy": [0.1, 0.2, np.nan], "tempo": [100, 120, 130]})
    covers = np.zeros((4, 8, 8, 3), np.uint8)
    figure = figures.feature_positions(covers, {"energy": 0.75, "tempo": None}, table)
    panels = {axes.get_title(loc="left"): axes for axes in figure.axes[1:]}
    energy, tempo = panels["energy: 0.75 (0 to 1)"], panels["tempo: open"]
    assert energy.lines[0].get_xdata()[0] == 0.75 and not tempo.lines
    assert sum(bar.get_height() for bar in energy.patches) == 2
    assert len(figure.axes[0].images) == 4 and len(panels) == 10


def test_distances_share_their_bins_and_name_their_medians():
    figure = figures.distances({"far": [4.0, 5.0, 6.0], "near": [1.0, 1.0]}, "distance")
    words = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert words == ["far: median 5.00", "near: median 1.00"]
    assert sum(bar.get_height() for bar in figure.axes[0].patches) == 5


def test_where_nothing_was_rejected_or_paired_the_figure_says_so():
    nothing = figures.quarantine({"duplicate": 0}), figures.pairs([], [], title="Duplicates")
    words = [figure.axes[0].texts[0].get_text() for figure in nothing]
    assert words == ["Nothing was rejected.", "Duplicates: there are none."]


def test_runs_compared_have_a_row_a_variant_and_share_names_only_if_they_are_the_same():
    same = figures.comparison({"KID": {"off": [1.0, 2.0], "on": []}, "FD": {"off": [3], "on": [4]}})
    first, second = same.axes
    assert first.get_ylim() == second.get_ylim() == (1.5, -0.5)
    assert second in first.get_shared_y_axes().get_siblings(first)
    orders = {"up": {"a": [1.0], "b": [2.0], "c": [2.0]}, "down": {"b": [2.0], "a": [1.0]}}
    axes = figures.comparison(orders).axes
    names = [[text.get_text() for text in panel.get_yticklabels()] for panel in axes]
    assert names == [["a", "b", "c"], ["b", "a"]]
    assert [panel.get_ylim() for panel in axes] == [(2.5, -0.5), (1.5, -0.5)]


def test_a_ladder_has_a_row_of_covers_and_of_dots_for_each_rung():
    names, strips = ["all", "fewer", "none"], [plain(4)[i : i + 2] for i in range(3)]
    values = {"R²": [[0.0, 0.1], [0.2, 0.4], [0.8]], "distance": [[9.0], [5.0], []]}
    figure = figures.ladder(names, strips, values, {"R²": 0.96, "distance": 2.0}, note="why")
    left, first, second = figure.axes
    assert [text.get_text() for text in left.get_yticklabels()] == names
    assert [value for value, *_ in shown(left)] == [0, 1, 1, 2, 2, 3]
    dots = [line.get_xydata().tolist() for line in first.lines if line.get_marker() == "o"]
    assert dots == [[[0, 0], [0.1, 0]], [[0.2, 1], [0.4, 1]], [[0.8, 2]]]
    assert [2.0, 2.0] in [list(line.get_xdata()) for line in second.lines]
    assert left.get_ylim() == first.get_ylim() == (2.5, -0.5)
