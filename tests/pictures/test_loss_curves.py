"""Curves of the losses per epoch."""

import io
import math

import numpy as np
import pytest
from PIL import Image, ImageColor

from tests.pictures.conftest import HARD_NAMES, STARTS, grey, ink, legend_entries
from vaecli.pictures import style
from vaecli.pictures.loss_curves import plot_losses

TERMS = ("loss", "distortion", "rate")
COLUMNS = [f"{split}_{term}" for split in ("train", "test") for term in TERMS]
CURVES = {name: [30.0 + i, 20.0 - i, 15.0 + i] for i, name in enumerate(COLUMNS)}
CURVES["epoch"] = [1.0, 2.0, 3.0]


@pytest.mark.parametrize("ending", style.ENDINGS)
def test_every_ending_gives_its_format_and_the_same_bytes(ending):
    content = plot_losses({"run": CURVES}, ending)
    assert content.startswith(STARTS[ending])
    assert plot_losses({"run": CURVES}, ending) == content


@pytest.mark.parametrize("name", ["train_loss", "test_rate"])
def test_a_curve_is_drawn_in_its_panel_only(name):
    """Changing it leaves the other two panels unchanged."""
    moved = {**CURVES, name: [value + 1.5 for value in CURVES[name]]}
    before, after = (grey(plot_losses({"run": curves})) for curves in (CURVES, moved))
    panels = [
        (a != b).any()
        for a, b in zip(
            np.array_split(before, 3, axis=1), np.array_split(after, 3, axis=1), strict=True
        )
    ]
    term = name.rpartition("_")[2]
    assert panels == [term == panel for panel in TERMS]


def blue(content):
    """Pixels of the first colour."""
    pixels = np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))
    return (pixels == ImageColor.getrgb(style.COLORS[0])).all(-1).sum()


def test_one_epoch_is_visible_and_has_one_tick():
    one = {name: values[:1] for name, values in CURVES.items()}
    bare = {name: [float("nan")] for name in CURVES} | {"epoch": [1.0]}
    assert blue(plot_losses({"run": one})) > blue(plot_losses({"run": bare}))  # beside the legend
    assert plot_losses({"run": one}, ".svg").count(b'id="xtick_') == 3  # one for each panel


def test_every_panel_names_its_term_and_its_units(figures):
    plot_losses({"run": CURVES})
    panels = figures[0].axes
    assert [panel.get_title() for panel in panels] == ["loss", "distortion", "rate"]
    assert [panel.get_xlabel() for panel in panels] == ["epoch"] * 3
    assert [panel.get_ylabel() for panel in panels] == ["nats per image"] * 3


def distinct_curves(start, splits=("train", "valid", "test"), epochs=3):
    """The columns of a run; no two values are equal."""
    curves = {"epoch": [float(epoch + 4) for epoch in range(epochs)]}
    for place, name in enumerate(f"{split}_{term}" for split in splits for term in TERMS):
        curves[name] = [start + 10.0 * place + (7 * epoch) % epochs for epoch in range(epochs)]
    return curves


def read_panel(panel, entries, runs):
    """The points of every line of a panel, by the run and the split that the legend names.

    The legend has the splits first and then the runs.
    """
    splits = {entries[name].get_linestyle(): name for name in entries if name not in runs}
    names = {entries[name].get_color(): name for name in runs}
    return {
        (names[line.get_color()], splits[line.get_linestyle()]): line.get_xydata().tolist()
        for line in panel.lines
    }


def test_a_line_shows_the_column_that_the_legend_and_the_title_name(figures):
    """Training is dashed, validation dotted and test solid; a run without validation lacks it."""
    runs = {"first": distinct_curves(0), "second": distinct_curves(1000, ("train", "test"))}
    plot_losses(runs)
    entries = legend_entries(figures[0])
    assert list(entries) == ["train", "valid", "test", "first", "second"]
    dashes = {"train": "--", "valid": ":", "test": "-"}
    assert {split: entries[split].get_linestyle() for split in dashes} == dashes
    assert {entries[split].get_color() for split in dashes} == {"black"}
    assert [entries[name].get_color() for name in runs] == style.COLORS[:2]
    for panel in figures[0].axes:
        assert len(panel.lines) == 5
        assert all(line.get_visible() and line.get_linewidth() > 1 for line in panel.lines)
        assert read_panel(panel, entries, runs) == {
            (name, split): [
                list(point) for point in zip(curves["epoch"], curves[column], strict=True)
            ]
            for name, curves in runs.items()
            for split in dashes
            if (column := f"{split}_{panel.get_title()}") in curves
        }


def test_the_colours_start_again_after_the_tenth_run(figures):
    runs = {f"run {number}": distinct_curves(1000 * number) for number in range(12)}
    plot_losses(runs)
    colors = [*style.COLORS, *style.COLORS[:2]]
    entries = legend_entries(figures[0])
    assert [entries[name].get_color() for name in runs] == colors
    for panel in figures[0].axes:
        lines = {line.get_ydata()[0]: line.get_color() for line in panel.lines}
        column = f"test_{panel.get_title()}"
        assert [lines[curves[column][0]] for curves in runs.values()] == colors


@pytest.mark.parametrize(("epochs", "marker"), [(1, "."), (19, "."), (20, ""), (200, "")])
def test_every_epoch_of_a_short_curve_has_a_dot(figures, epochs, marker):
    plot_losses({"run": distinct_curves(0, epochs=epochs)})
    lines = [line for panel in figures[0].axes for line in panel.lines]
    assert {line.get_marker().replace("None", "") for line in lines} == {marker}
    assert {len(line.get_xdata()) for line in lines} == {epochs}


@pytest.mark.parametrize("epochs", [1, 2, 3, 50])
def test_the_ticks_are_whole_epochs(figures, epochs):
    plot_losses({"run": distinct_curves(0, epochs=epochs)})
    (figure,) = figures
    figure.draw_without_rendering()
    for panel in figure.axes:
        ticks = panel.xaxis.get_ticklabels()
        assert ticks
        assert all(float(tick.get_text()).is_integer() for tick in ticks)


def test_panels_have_a_faint_grid_behind_the_curves_and_two_sides(figures):
    plot_losses({"run": CURVES})
    for panel in figures[0].axes:
        shown = {side for side, spine in panel.spines.items() if spine.get_visible()}
        assert shown == {"left", "bottom"}
        assert panel.get_axisbelow() is True
        lines = [*panel.get_xgridlines(), *panel.get_ygridlines()]
        assert lines
        assert all(line.get_visible() and line.get_alpha() == 0.25 for line in lines)


@pytest.mark.parametrize("count", [1, 2, 12, 30])
def test_the_legend_stands_below_the_panels_whatever_the_number_of_runs(figures, count):
    plot_losses({f"runs/mnist-vae-{number}": CURVES for number in range(count)})
    (figure,) = figures
    figure.draw_without_rendering()
    legend = figure.legends[0].get_window_extent()
    assert legend.y0 >= 0
    assert legend.x0 >= 0
    assert legend.x1 <= figure.bbox.x1
    rows = math.ceil((count + 2) / 4)  # of four entries, as the height of the figure expects
    assert legend.height / figure.dpi < 0.3 + 0.22 * rows
    for panel in figure.axes:
        assert legend.y1 <= panel.get_tightbbox().y0
        height = panel.get_window_extent().height / figure.dpi
        assert height > 2  # inches: the legend takes nothing from a panel
        assert panel.get_window_extent().width > figure.bbox.width / 4


@pytest.mark.parametrize("name", HARD_NAMES)
def test_any_name_of_a_run_is_printed_as_it_is(name, recwarn):
    assert ink(plot_losses({name: CURVES})) > 1000
    assert len(recwarn) == 0


def test_the_legend_has_the_whole_name_of_a_run_and_takes_no_part_of_it_for_a_formula(figures):
    names = ["runs/" + "x" * 40, "$x$", "a\udcffb"]
    plot_losses(dict.fromkeys(names, CURVES))
    assert list(legend_entries(figures[0])) == ["train", "test", names[0], "$x$", "a?b"]
    assert not any(text.get_parse_math() for text in figures[0].legends[0].get_texts())


def test_a_text_of_a_plot_has_no_control_characters():
    """An SVG must not hold them."""
    assert style.printable("a\x1b[31mb\udcffc") == "a\\x1b[31mb?c"
