"""Maps of latents."""

import re

import numpy as np
import pytest

from tests.pictures.conftest import HARD_NAMES, STARTS, ink, legend_entries
from vaecli.pictures import style
from vaecli.pictures.latent_map import plot_latents, spread_labels

AXES = ("latent 1", "latent 2")


def cloud(count):
    return np.random.default_rng(0).normal(size=(count, 2))


@pytest.mark.parametrize("ending", style.ENDINGS)
def test_every_ending_gives_its_format_and_the_same_bytes(ending):
    labels = np.arange(20) % 3
    content = plot_latents(cloud(20), AXES, labels, "t", ending)
    assert content.startswith(STARTS[ending])
    assert plot_latents(cloud(20), AXES, labels, "t", ending) == content


def test_axes_and_the_map_are_named(figures):
    plot_latents(cloud(5), ("across", "up"), np.arange(5), "the title")
    (axes,) = figures[0].axes
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("across", "up")
    assert axes.get_title() == "the title"


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


def test_equal_points_are_drawn():
    assert ink(plot_latents(np.ones((4, 2)), AXES, np.zeros(4, np.uint8), "t")) > 1000


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


def test_many_classes_are_drawn_without_a_legend(recwarn):
    labels = np.arange(256, dtype=np.uint8)
    assert ink(plot_latents(cloud(256), AXES, labels, "t")) > 1000
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
