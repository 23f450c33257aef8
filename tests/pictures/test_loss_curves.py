"""Curves of the losses per epoch."""

import io
import math

import numpy as np
import pytest
from matplotlib.colors import to_hex
from PIL import Image, ImageColor

from tests.pictures.conftest import HARD_NAMES, STARTS, grey, ink, legend_entries
from vaecli.pictures import style
from vaecli.pictures.loss_curves import best_epoch, plot_losses
from vaecli.pictures.loss_ranges import last_return, late_values, visible_range
from vaecli.pictures.themes import DARK, LIGHT
from vaecli.training import early_stopping
from vaecli.training.epoch import Epoch

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


def falling(epochs, first=500.0):
    """Curves of a training: far away at first, then slowly better, at last worse in validation."""
    curves = {"epoch": [float(epoch) for epoch in range(1, epochs + 1)]}
    for place, name in enumerate(
        f"{split}_{term}" for split in ("train", "valid") for term in TERMS
    ):
        curves[name] = [
            first if epoch == 1 else 100 + place + abs(epoch - 0.6 * epochs) / epochs
            for epoch in curves["epoch"]
        ]
    return curves


@pytest.mark.parametrize("epochs", [4, 10, 50, 200])
def test_late_epochs_take_most_of_the_height_and_a_note_says_what_lies_outside(figures, epochs):
    curves = falling(epochs)
    plot_losses({"run": curves})
    for panel in figures[0].axes:
        bottom, top = panel.get_ylim()
        late = [
            value
            for split in ("train", "valid")
            for value in curves[f"{split}_{panel.get_title()}"][max(1, epochs // 10) :]
        ]
        assert bottom < min(late) < max(late) < top < 500
        assert max(late) - min(late) > 0.5 * (top - bottom)
        notes = [text.get_text() for text in panel.texts]
        assert notes[0] == "500 at epoch 1"
        triangles = [mark.get_offsets()[0] for mark in panel.collections][:2]
        assert [y for _, y in triangles] == [top, top]
        assert all(1 < x < 2 for x, _ in triangles)


@pytest.mark.parametrize("epochs", [1, 2, 3])
def test_a_run_of_three_epochs_is_shown_whole(figures, epochs):
    plot_losses({"run": falling(epochs)})
    for panel in figures[0].axes:
        bottom, top = panel.get_ylim()
        values = [value for line in panel.lines for value in line.get_ydata()]
        assert bottom < min(values) <= max(values) < top
        assert not any("at epoch" in text.get_text() for text in panel.texts)


def test_the_range_has_near_early_epochs_and_cuts_far_ones_on_both_sides():
    late = [10.0, 20.0, 15.0]
    for first, limits in (
        (22.0, (10 - 0.6, 22 + 0.6)),
        (23.5, (10 - 0.5, 20 + 0.5)),
        (8.0, (8 - 0.6, 20 + 0.6)),
        (-90.0, (10 - 0.5, 20 + 0.5)),
        (math.inf, (10 - 0.5, 20 + 0.5)),
    ):
        assert visible_range([[first, *late]]) == pytest.approx(limits)
    assert visible_range([[90.0, *late]], [8.0])[0] == pytest.approx(8 - 0.6)
    assert visible_range([[90.0, 5.0, 5.0, 5.0]]) == pytest.approx((5 - 4.25, 90 + 4.25))
    assert (
        visible_range([[5.0] * 9]) is visible_range([[math.nan] * 9]) is visible_range([]) is None
    )


@pytest.mark.parametrize(("epochs", "early"), [(3, 0), (4, 1), (19, 1), (20, 2), (200, 20)])
def test_the_first_tenth_of_a_run_of_more_than_three_epochs_is_early(epochs, early):
    values = [float(epoch) for epoch in range(epochs)]
    assert late_values([values]) == values[early:]


def test_a_short_run_beside_a_long_one_shows_at_least_its_last_epoch():
    long = [90.0, 80.0] + [10.0, 20.0] * 14
    assert visible_range([long, [70.0, 25.0]]) == pytest.approx((10 - 0.75, 25 + 0.75))


def test_a_curve_returns_where_it_crosses_the_limit():
    assert last_return([1, 2, 3], [3.0, -1.0, -2.0]) == 1.75
    assert last_return([1, 2, 3, 4], [3.0, -1.0, 1.0, -1.0]) == 3.5
    assert last_return([1, 2], [3.0, math.nan]) == 1
    assert last_return([1, 2], [-1.0, 3.0]) == 2
    assert last_return([1, 2], [math.inf, -1.0]) is last_return([1, 2], [0.0, -1.0]) is None


def rings(figure):
    """The best epoch of each panel that has one, by its title: the point and its note."""
    found = {}
    for panel in figure.axes:
        for text in panel.texts:
            if text.get_text().startswith("best"):
                (ring,) = [mark for mark in panel.collections if mark.get_sizes()[0] == 50]
                found[panel.get_title()] = (tuple(ring.get_offsets()[0]), text.get_text())
    return found


@pytest.mark.parametrize(("adversarial", "term"), [(False, "loss"), (True, "distortion")])
def test_the_best_validation_epoch_is_marked_where_training_found_it(figures, adversarial, term):
    """By the loss or, with a discriminator, by the distortion; the first of equals."""
    curves = falling(10)
    curves["valid_loss"][7] = curves["valid_loss"][3] = 90.0
    curves["valid_distortion"][8] = 80.0
    if adversarial:
        curves["valid_discriminator_loss"] = [1.4] * 10
    history = [
        Epoch(n + 1, {}, {}, 0, 0, {t: curves[f"valid_{t}"][n] for t in TERMS}) for n in range(10)
    ]
    best = early_stopping.best_epoch(history, term)
    plot_losses({"run": curves})
    note = f"best: epoch {best.number}"
    assert rings(figures[0]) == {term: ((best.number, best.valid[term]), note)}


def test_without_validation_no_epoch_is_marked(figures):
    plot_losses({"run": CURVES})
    assert rings(figures[0]) == {}
    nothing = {"epoch": [1.0], "valid_loss": [math.nan]}
    assert best_epoch(nothing, "loss") is None


@pytest.mark.parametrize("theme", [LIGHT, DARK])
def test_the_theme_colours_the_background_and_all_texts(figures, theme):
    plot_losses({"run": falling(10)}, theme=theme)
    (figure,) = figures
    figure.draw_without_rendering()
    texts = list(figure.legends[0].get_texts())
    for panel in figure.axes:
        assert to_hex(panel.get_facecolor()) == to_hex(theme.background)
        texts += [panel.title, panel.xaxis.label, panel.yaxis.label, *panel.texts]
        texts += [*panel.xaxis.get_ticklabels(), *panel.yaxis.get_ticklabels()]
        assert {to_hex(spine.get_edgecolor()) for spine in panel.spines.values()} == {
            to_hex(theme.foreground)
        }
        assert {to_hex(line.get_color()) for line in panel.get_ygridlines()} == {theme.grid}
    assert to_hex(figure.get_facecolor()) == to_hex(theme.background)
    assert {to_hex(text.get_color()) for text in texts} == {to_hex(theme.foreground)}


def luminance(color):
    """The relative luminance of WCAG 2.2."""
    linear = [
        (part / 255 / 12.92 if part <= 10 else ((part / 255 + 0.055) / 1.055) ** 2.4)
        for part in ImageColor.getrgb(color)
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(first, second):
    lower, higher = sorted([luminance(first), luminance(second)])
    return (higher + 0.05) / (lower + 0.05)


@pytest.mark.parametrize("theme", [LIGHT, DARK])
def test_texts_stand_out_from_the_background_and_lines_are_there(theme):
    assert contrast(theme.foreground, theme.background) > 12
    assert 1.5 < contrast(theme.grid, theme.background) < 6


def test_no_two_classes_have_the_same_colour():
    assert len(set(style.COLORS)) == 10


def test_a_plot_has_150_dots_per_inch_and_no_date():
    width, _ = Image.open(io.BytesIO(plot_losses({"run": CURVES}))).size
    assert width == 12 * 150
    assert b"CreationDate" not in plot_losses({"run": CURVES}, ".pdf")
    assert b"dc:date" not in plot_losses({"run": CURVES}, ".svg")


def test_a_dark_picture_is_dark_in_its_file():
    light, dark = (grey(plot_losses({"run": CURVES}, theme=theme)) for theme in (LIGHT, DARK))
    assert (np.median(light), np.median(dark)) == (255, 17)
    assert light.shape == dark.shape
