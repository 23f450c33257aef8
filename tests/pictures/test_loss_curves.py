"""Curves of the losses per epoch."""

import io

import numpy as np
import pytest
from PIL import Image, ImageColor

from tests.pictures.conftest import HARD_NAMES, STARTS, grey, ink, legend_entries
from vaecli.pictures import style
from vaecli.pictures.loss_curves import plot_losses

COLUMNS = [
    f"{split}_{term}" for split in ("train", "test") for term in ("loss", "distortion", "rate")
]
CURVES = {name: [30.0 + i, 20.0 - i, 15.0 + i] for i, name in enumerate(COLUMNS)}
CURVES["epoch"] = [1.0, 2.0, 3.0]


@pytest.mark.parametrize("ending", style.ENDINGS)
def test_every_ending_gives_its_format_and_the_same_bytes(ending):
    content = plot_losses({"run": CURVES}, ending)
    assert content.startswith(STARTS[ending])
    assert plot_losses({"run": CURVES}, ending) == content


@pytest.mark.parametrize("name", CURVES)
def test_every_column_is_drawn(name):
    """It is drawn in its own panel: changing one curve leaves the other two panels unchanged."""
    moved = {**CURVES, name: [value + 1.5 for value in CURVES[name]]}
    before, after = (grey(plot_losses({"run": curves})) for curves in (CURVES, moved))
    panels = [
        (a != b).any()
        for a, b in zip(
            np.array_split(before, 3, axis=1), np.array_split(after, 3, axis=1), strict=True
        )
    ]
    term = name.rpartition("_")[2]
    assert panels == [term in ("epoch", panel) for panel in ("loss", "distortion", "rate")]


def blue(content):
    """Pixels of the first colour."""
    pixels = np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))
    return (pixels == ImageColor.getrgb(style.COLORS[0])).all(-1).sum()


def test_one_epoch_is_visible_and_has_one_tick():
    one = {name: values[:1] for name, values in CURVES.items()}
    bare = {name: [float("nan")] for name in CURVES} | {"epoch": [1.0]}
    assert blue(plot_losses({"run": one})) > blue(plot_losses({"run": bare}))  # beside the legend
    assert plot_losses({"run": one}, ".svg").count(b'id="xtick_') == 3  # one for each panel


def test_validation_is_drawn_where_a_run_has_it():
    validated = CURVES | {name.replace("test", "valid"): v for name, v in CURVES.items()}
    assert b"stroke-dasharray" in plot_losses({"run": CURVES}, ".svg")
    plain, more = (plot_losses({"run": c}, ".svg") for c in (CURVES, validated))
    assert b"<!-- valid -->" in more
    assert b"<!-- valid -->" not in plain


def test_every_panel_names_its_term_and_its_units(figures):
    plot_losses({"run": CURVES})
    panels = figures[0].axes
    assert [panel.get_title() for panel in panels] == ["loss", "distortion", "rate"]
    assert {panel.get_xlabel() for panel in panels} == {"epoch"}
    assert {panel.get_ylabel() for panel in panels} == {"nats per image"}


def test_a_split_has_its_dashes_and_a_run_its_colour_in_the_panels_and_in_the_legend(figures):
    """Training is dashed, validation dotted and test solid."""
    dashes = {"train": "--", "valid": ":", "test": "-"}
    runs = {}
    for number, name in enumerate(("first", "second")):
        runs[name] = {"epoch": [1.0, 2.0]}
        for place, split in enumerate(dashes):
            for term in ("loss", "distortion", "rate"):
                runs[name][f"{split}_{term}"] = [10.0 * number + place, 5.0]
    plot_losses(runs)
    entries = legend_entries(figures[0])
    assert list(entries) == ["train", "valid", "test", "first", "second"]
    assert {split: entries[split].get_linestyle() for split in dashes} == dashes
    colors = [entries[name].get_color() for name in runs]
    assert len(set(colors)) == 2
    for panel in figures[0].axes:
        looks = {
            line.get_ydata()[0]: (line.get_linestyle(), line.get_color()) for line in panel.lines
        }
        assert looks == {
            10.0 * number + place: (style, color)
            for number, color in enumerate(colors)
            for place, style in enumerate(dashes.values())
        }


@pytest.mark.parametrize("count", [1, 2, 12, 30])
def test_the_legend_stands_below_the_panels_whatever_the_number_of_runs(figures, count):
    plot_losses({f"runs/mnist-vae-{number}": CURVES for number in range(count)})
    (figure,) = figures
    figure.draw_without_rendering()
    legend = figure.legends[0].get_window_extent()
    assert legend.y0 >= 0
    for panel in figure.axes:
        assert legend.y1 <= panel.get_tightbbox().y0
        height = panel.get_window_extent().height / figure.dpi
        assert height > 2  # inches: the legend takes nothing from a panel


@pytest.mark.parametrize("name", HARD_NAMES)
def test_any_name_of_a_run_is_printed_as_it_is(name, recwarn):
    assert ink(plot_losses({name: CURVES})) > 1000
    assert len(recwarn) == 0
