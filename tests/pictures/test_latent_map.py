"""Maps of latents."""

import re
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.colors import to_hex

from tests.pictures.conftest import HARD_NAMES, STARTS, ink, legend_entries
from vaecli.evaluation.prior_density import PriorContours
from vaecli.evaluation.projection import Plane
from vaecli.pictures import latent_map, style
from vaecli.pictures.latent_map import spread_labels
from vaecli.pictures.themes import LIGHT

AXES = ("latent 1", "latent 2")


def plot_latents(points, axes, labels, title, ending=".png", method=None, **more):
    return latent_map.plot_latents(Plane(points, axes, method), labels, title, ending, **more)


def cloud(count):
    return np.random.default_rng(0).normal(size=(count, 2))


@pytest.mark.parametrize("ending", style.ENDINGS)
def test_every_ending_gives_its_format_and_the_same_bytes(ending):
    labels = np.arange(20) % 3
    content = plot_latents(cloud(20), AXES, labels, "t", ending)
    assert content.startswith(STARTS[ending])
    assert plot_latents(cloud(20), AXES, labels, "t", ending) == content


def test_axes_and_the_map_are_named(figures):
    plot_latents(cloud(5), ("across", "up"), np.arange(5), "the title: a\udcffb $x$")
    (axes,) = figures[0].axes
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("across", "up")
    assert axes.get_title() == "the title: a?b $x$"
    assert not axes.title.get_parse_math()
    assert figures[0].legends[0].get_title().get_text() == "label"
    shown = {side for side, spine in axes.spines.items() if spine.get_visible()}
    assert shown == {"left", "bottom"}


def look(handle):
    """The colour and the shape of a marker."""
    (color,) = handle.get_facecolor()
    (path,) = handle.get_paths()
    return to_hex(color), path.vertices.tobytes()


def test_each_label_has_its_own_points_colour_marker_and_number(figures):
    """Labels in any order, with gaps; the legend shows the very marker of the map."""
    classes = [12, 0, 3, 7, 10]
    random = np.random.default_rng(0)
    labels = random.permutation(np.repeat(np.array(classes, np.uint8), 9))
    centers = {label: np.array([30.0 * n, (n * n) % 7]) for n, label in enumerate(classes)}
    points = np.stack([centers[label] for label in labels]) + random.normal(size=(45, 2))
    plot_latents(points, AXES, labels, "t")
    (axes,) = figures[0].axes
    entries = legend_entries(figures[0])
    assert list(entries) == [str(label) for label in sorted(classes)]
    assert {scatter.get_label() for scatter in axes.collections} == entries.keys()
    for scatter in axes.collections:
        label = int(scatter.get_label())
        assert np.array_equal(scatter.get_offsets(), points[labels == label])
        assert look(scatter) == look(entries[str(label)])
        assert look(scatter)[0] == style.COLORS[label % 10]
        assert scatter.get_alpha() > 0.5
        assert scatter.get_sizes()[0] < entries[str(label)].get_sizes()[0]
    assert len({look(scatter) for scatter in axes.collections}) == 5
    numbers = {int(text.get_text()): np.array(text.xy) for text in axes.texts}
    assert numbers.keys() == set(classes)
    for label, place in numbers.items():
        nearest = min(centers, key=lambda other: np.linalg.norm(centers[other] - place))
        assert nearest == label
        assert np.linalg.norm(centers[label] - place) < 2


def test_numbers_of_clusters_at_one_place_are_spread_by_a_few_hundredths_of_the_axes(figures):
    """Along each axis by its own range."""
    corners = np.array([[0.0, 0.0], [1000.0, 10.0]])
    points = np.concatenate([corners, np.tile([[500.0, 5.0]], (3, 1))])
    plot_latents(points, AXES, np.array([0, 1, 2, 3, 4]), "t")
    (axes,) = figures[0].axes
    places = np.array([text.xy for text in axes.texts]) / [1000, 10]
    gaps = np.linalg.norm(places[2:, None] - places[2:], axis=-1)[~np.eye(3, dtype=bool)]
    assert 0.03 < gaps.min() < 0.06
    assert np.abs(places[2:] - 0.5).max() < 0.1
    np.testing.assert_allclose(places[:2], [[0, 0], [1, 1]], atol=0.01)


def test_the_number_of_a_class_stands_at_its_median_point(figures):
    """A few points far away do not move it."""
    near = [[0, 10], [1, 11], [2, 12], [1, 11], [1, 11]]
    points = np.array([*near, [90, 90], *([x + 50, y] for x, y in near)], dtype=float)
    labels = np.array([3] * 6 + [7] * 5)
    plot_latents(points, AXES, labels, "t")
    (axes,) = figures[0].axes
    found = {text.get_text(): text.xy for text in axes.texts}
    assert found.keys() == {"3", "7"}
    np.testing.assert_allclose(found["3"], [1, 11], atol=0.1)
    np.testing.assert_allclose(found["7"], [51, 11], atol=0.1)


@pytest.mark.parametrize("count", [2, 10, 50])
def test_the_legend_names_every_class_and_stands_inside_the_picture(figures, count):
    plot_latents(cloud(count), AXES, np.arange(count), "t")
    (figure,) = figures
    figure.draw_without_rendering()
    assert list(legend_entries(figure)) == [str(label) for label in range(count)]
    inside = figure.legends[0].get_window_extent()
    assert figure.bbox.y0 <= inside.y0
    assert inside.y1 <= figure.bbox.y1
    assert figure.axes[0].get_window_extent().x1 <= inside.x0


@pytest.mark.parametrize("spread", [0, 1])
def test_points_without_extent_along_an_axis_are_drawn(figures, recwarn, spread):
    """Equal points, and a line as of one latent."""
    points = np.column_stack([1 + spread * np.arange(4.0), np.ones(4)])
    plot_latents(points, AXES, np.zeros(4, np.uint8), "t")
    (number,) = figures[0].axes[0].texts
    np.testing.assert_allclose(number.xy, np.median(points, axis=0), atol=0.01)
    assert len(recwarn) == 0


def test_each_of_eighty_classes_has_its_own_colour_or_marker():
    assert len(set(style.COLORS)) == 10
    labels = np.arange(80, dtype=np.uint8)
    shown = plot_latents(cloud(80), AXES, labels, "t", ".svg").decode()
    groups = re.findall(r'<g id="PathCollection_\d+">.*?</g>', shown, re.DOTALL)
    looks = {
        (re.search(r' d="(.*?)"', group, re.DOTALL)[1], re.search(r"fill: (#\w+)", group)[1])
        for group in groups
    }
    assert len(groups) == len(looks) == 80


@pytest.mark.parametrize(("count", "columns"), [(24, 1), (25, 2), (49, 2), (50, 3), (51, 0)])
def test_the_legend_has_columns_of_25_up_to_50_classes_and_then_there_is_none(
    figures, count, columns
):
    plot_latents(cloud(count), AXES, np.arange(count), "t")
    assert [legend._ncols for legend in figures[0].legends] == ([columns] if columns else [])


def test_the_highest_labels_are_drawn(figures, recwarn):
    """Colours and markers start again after the 79th."""
    labels = np.array([0, 79, 80, 255], np.uint8)
    plot_latents(cloud(4), AXES, labels, "t")
    looks = [look(scatter) for scatter in figures[0].axes[0].collections]
    assert looks[0] == looks[2]
    assert len(set(looks)) == 3
    assert len(recwarn) == 0


def test_labels_too_near_to_each_other_are_pushed_apart_and_others_stay():
    points = np.array([[0.0, 0.0], [0.0, 0.0], [0.1, 0.0], [9.0, 9.0]])
    moved = spread_labels(points, np.array([0.5, 0.5]))
    gaps = np.linalg.norm(moved[:, None] - moved, axis=-1) + np.eye(4)
    assert gaps.min() > 0.9 * 0.5
    np.testing.assert_allclose(moved[3], points[3], atol=0.01)
    np.testing.assert_allclose(moved[:3].mean(0), points[:3].mean(0), atol=0.01)


@pytest.mark.parametrize("title", HARD_NAMES)
def test_any_title_is_printed_as_it_is(title, recwarn):
    assert ink(plot_latents(np.eye(3)[:, :2], AXES, np.arange(3), title)) > 1000
    assert len(recwarn) == 0


def test_the_axes_of_tsne_have_no_numbers_and_the_others_have(figures):
    for method in ("tsne", "pca", None):
        plot_latents(cloud(9), AXES, np.zeros(9, np.uint8), "t", method=method)
    ticks = [
        len(figure.axes[0].get_xticks()) + len(figure.axes[0].get_yticks()) for figure in figures
    ]
    assert ticks[0] == 0
    assert min(ticks[1:]) > 4


def test_a_circle_is_drawn_round_and_a_line_fills_the_width(figures):
    plot_latents(cloud(9) * [1, 9], AXES, np.zeros(9, np.uint8), "t")
    plot_latents(cloud(9) * [1, 0], ("latent 1", ""), np.zeros(9, np.uint8), "t")
    assert figures[0].axes[0].get_aspect() == 1
    assert figures[1].axes[0].get_aspect() == "auto"
    assert len(figures[1].axes[0].get_yticks()) == 0


def test_classes_have_names_and_numbers_without_them(figures):
    names = ["T-shirt", "$x$", "Pullover"]
    plot_latents(cloud(9), AXES, np.arange(9) % 3, "t", names=names)
    (axes,) = figures[0].axes
    assert [text.get_text() for text in axes.texts] == names
    assert not any(text.get_parse_math() for text in axes.texts)
    assert list(legend_entries(figures[0])) == names


def test_names_have_the_foreground_and_a_halo_of_the_background(figures):
    theme = replace(LIGHT, foreground="#123456", background="#fedcba")
    plot_latents(cloud(4), AXES, np.arange(4), "t", theme=theme)
    assert to_hex(figures[0].get_facecolor()) == "#fedcba"
    for text in figures[0].axes[0].texts:
        assert text.get_color() == "#123456"
        assert to_hex(text.get_path_effects()[0]._gc["foreground"]) == "#fedcba"


def test_more_points_are_drawn_smaller_and_the_legend_stays_as_it_is(figures):
    sizes = []
    for count in (20, 10_000, 90_000):
        plot_latents(cloud(count), AXES, np.zeros(count, np.uint8), "t")
        (entry,) = legend_entries(figures[-1]).values()
        sizes.append(figures[-1].axes[0].collections[0].get_sizes()[0])
        assert entry.get_sizes()[0] == pytest.approx(60)
    assert sizes == [16, 6, 3]


def test_contours_lie_below_the_points_where_the_density_has_their_levels(figures):
    """Of a density that falls with the distance from (1, -2): circles of known radius."""
    x = np.linspace(-4, 6, 200)
    y = np.linspace(-7, 3, 200)
    log_density = -np.hypot(x[None] - 1, y[:, None] + 2)
    contours = PriorContours(x, y, log_density, np.array([-3.0, -2.0, -1.0]), (0.99, 0.9, 0.5))
    plot_latents(cloud(9), AXES, np.zeros(9, np.uint8), "t", contours=contours)
    (axes,) = figures[0].axes
    points, lines = axes.collections
    assert lines.get_zorder() < points.get_zorder()
    for path, radius in zip(lines.get_paths(), (3, 2, 1), strict=True):
        distances = np.hypot(*(path.vertices - [1, -2]).T)
        np.testing.assert_allclose(distances, radius, atol=0.01)
    legend = figures[0].legends[1]
    assert legend.get_title().get_text() == "prior mass\ninside"
    assert [text.get_text() for text in legend.get_texts()] == ["99 %", "90 %", "50 %"]


def texts_of(figure):
    return [text.get_text() for text in figure.axes[0].texts]


def test_names_are_printed_in_one_short_line_whatever_they_contain(figures, recwarn):
    names = ["_dog", "two\nlines", "x" * 200, "\x1b[2J", "a\u202eb", "$y_2$"]
    plot_latents(cloud(12), AXES, np.arange(12) % 6, "t", names=names)
    wanted = ["_dog", "two lines", "x" * 15 + "…", "\\x1b[2J", "a\\u202eb", "$y_2$"]
    assert texts_of(figures[0]) == wanted
    assert list(legend_entries(figures[0]))[2] == "x" * 27 + "…"
    figures[0].draw_without_rendering()
    assert not recwarn


def test_a_name_that_no_font_has_is_replaced_by_the_number(figures, recwarn, monkeypatch):
    monkeypatch.setattr("vaecli.pictures.class_texts.FAMILIES", ("DejaVu Sans",))
    names = ["\N{CJK UNIFIED IDEOGRAPH-732B}", "\u0395\u03bb"]
    plot_latents(cloud(4), AXES, np.arange(4) % 2, "t", names=names)
    assert texts_of(figures[0]) == ["0", "\u0395\u03bb"]
    figures[0].draw_without_rendering()
    assert not recwarn


@pytest.mark.parametrize("count", [21, 50, 100, 200])
def test_many_names_are_in_the_legend_beside_the_numbers_of_the_map(figures, count):
    names = [f"a class called {n:04}" for n in range(count)]
    plot_latents(cloud(count), AXES, np.arange(count), "t", names=names)
    (figure,) = figures
    figure.draw_without_rendering()
    assert texts_of(figure) == [str(n) for n in range(count)]
    assert list(legend_entries(figure)) == [f"{n} {name}" for n, name in enumerate(names)]
    inside = figure.legends[0].get_window_extent()
    assert figure.bbox.y0 <= inside.y0
    assert figure.axes[0].get_window_extent().x1 <= inside.x0
    assert figure.axes[0].get_window_extent().width > 400


def test_more_names_than_that_are_numbers_in_the_map_only(figures):
    plot_latents(cloud(201), AXES, np.arange(201), "t", names=[f"name {n}" for n in range(201)])
    assert not figures[0].legends
    assert texts_of(figures[0])[200] == "200"


def test_short_names_are_treated_as_numbers_are(figures):
    names = [f"{n + 100}" for n in range(40)]
    plot_latents(cloud(40), AXES, np.arange(40), "t", names=names)
    assert texts_of(figures[0]) == names
    assert list(legend_entries(figures[0])) == names


def test_without_a_layout_of_letters_names_from_right_to_left_are_numbers(figures, monkeypatch):
    monkeypatch.setattr("vaecli.pictures.class_texts.features.check_feature", lambda name: False)
    names = ["\u05e9\u05dc\u05d5\u05dd", "cat", "  "]
    plot_latents(cloud(6), AXES, np.arange(6) % 3, "t", names=names)
    assert texts_of(figures[0]) == ["0", "cat", "2"]
