"""The picture of a study: history, importance and parallel axes."""

import math
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import pytest
from matplotlib.colors import to_hex

from tests.pictures.conftest import HARD_NAMES, STARTS, ink
from vaecli.pictures import style
from vaecli.pictures.option_axes import OptionAxis
from vaecli.pictures.themes import DARK, LIGHT
from vaecli.pictures.trial_losses import best_trial, loss_range, running_best
from vaecli.pictures.tuning import plot_tuning

LR = OptionAxis("lr", 1e-4, 1e-2, is_log=True)
LATENT = OptionAxis("latent-dim", choices=(8, 16, 64))
WIDTH = OptionAxis("network.width", 200, 800)
OPTIONS = [LR, LATENT, WIDTH]
IMPORTANCES = {"lr": 0.2, "latent-dim": 0.795, "network.width": 0.005}


@dataclass(frozen=True)
class Row:
    """A trial as pictures need it."""

    number: int
    state: str
    value: float | None
    options: dict[str, Any]


def row(number, value, state="completed", **options):
    return Row(number, state, value, {"lr": 1e-3, "latent-dim": 16, "network.width": 500} | options)


ROWS = [row(0, 104.0), row(1, 102.0), row(2, 90.0, "pruned"), row(3, 103.0), row(4, 101.0)]


def panels(figure):
    """The axes of history, importance and parallel coordinates."""
    history, importance, parallel = figure.axes
    return history, importance, parallel


def marks(history):
    """Points of each state of the legend: `{state: [(number, height), ...]}`."""
    found = {}
    for group in history.collections:
        if not group.get_label().startswith("_"):
            found[group.get_label()] = [tuple(point) for point in group.get_offsets().tolist()]
    return found


def lines(parallel, trials):
    """The lines of the trials, the first that are drawn."""
    return parallel.lines[:trials]


@pytest.mark.parametrize("ending", style.ENDINGS)
def test_every_ending_gives_its_format_and_the_same_bytes(ending):
    content = plot_tuning(ROWS, OPTIONS, IMPORTANCES, ending=ending)
    assert content.startswith(STARTS[ending])
    assert plot_tuning(ROWS, OPTIONS, IMPORTANCES, ending=ending) == content


def test_the_line_of_the_best_falls_with_completed_trials_only_and_goes_to_the_last(figures):
    plot_tuning(ROWS[::-1], OPTIONS, IMPORTANCES)
    history = panels(figures[0])[0]
    (line,) = history.lines
    assert line.get_xdata().tolist() == [0, 1, 3, 4, 4]
    assert line.get_ydata().tolist() == [104.0, 102.0, 102.0, 101.0, 101.0]
    assert line.get_drawstyle() == "steps-post"
    assert [text.get_text() for text in history.texts] == ["best: trial 4, 101.00"]
    assert marks(history)["pruned"] == [(2, 90.0)]
    assert len(marks(history)["completed"]) == 4


def test_a_trial_without_a_loss_is_at_the_top_and_one_that_runs_only_with_its_loss(figures):
    lost = row(5, None, "failed"), row(6, math.nan, "failed"), row(7, 50.0, "failed")
    plot_tuning([*ROWS, *lost, row(8, None, "running"), row(9, 103.5, "running")], OPTIONS, {})
    history = panels(figures[0])[0]
    top = history.get_ylim()[1]
    assert top > 104
    assert marks(history)["failed"] == [(5, top), (6, top), (7, top)]
    assert marks(history)["running"] == [(9, 103.5)]
    names = [text.get_text() for text in history.get_legend().get_texts()]
    assert names == ["best so far", "completed", "running", "pruned", "failed"]


def test_a_loss_far_above_the_others_is_a_triangle_with_a_note_and_takes_no_height(figures):
    plot_tuning([*ROWS[:2], *ROWS[3:], row(5, 5000.0), row(6, 6000.0)], OPTIONS, {})
    history, _, parallel = panels(figures[0])
    bottom, top = history.get_ylim()
    assert bottom < 101
    assert 104 < top < 120
    assert [text.get_text() for text in history.texts] == ["best: trial 4, 101.00", "6000"]
    assert loss_range([row(0, v) for v in (101, 103, 104, 5000)])[1] == (101 + 3 * (103.5 - 101))
    assert sum(line.get_ydata()[-1] == 1.0 for line in lines(parallel, 6)) == 2
    assert any(text.get_text().startswith("≥ ") for text in parallel.texts)


def test_importance_has_a_bar_for_each_option_the_greatest_on_top(figures):
    plot_tuning(ROWS, OPTIONS, IMPORTANCES)
    importance = panels(figures[0])[1]
    titles = [label.get_text() for label in importance.get_yticklabels()]
    widths = [bar.get_width() for bar in importance.patches]
    assert titles == ["network.width", "lr", "latent-dim"]
    assert widths == [0.005, 0.2, 0.795]
    assert [text.get_text() for text in importance.texts] == ["<1%", "20%", "80%"]


def test_without_importances_the_picture_says_why(figures):
    plot_tuning(ROWS, OPTIONS, {})
    importance = panels(figures[0])[1]
    assert not importance.patches
    assert [text.get_text() for text in importance.texts] == ["too few trials"]


def test_a_line_crosses_each_axis_at_the_value_of_its_option_and_ends_at_its_loss(figures):
    low = row(0, 100.0, **{"lr": 1e-4, "latent-dim": 8, "network.width": 200})
    high = row(1, 102.0, **{"lr": 1e-2, "latent-dim": 64, "network.width": 800})
    middle = row(2, 101.0, **{"lr": 1e-3, "latent-dim": 16, "network.width": 350})
    failed = row(3, None, "failed", lr=1e-3)
    plot_tuning([low, high, middle, failed], OPTIONS, {})
    drawn = [line.get_ydata() for line in lines(panels(figures[0])[2], 4)]
    assert [list(places) for places in drawn] == [
        pytest.approx([0.5, 0.5, 0.5]),  # the failed one first, without a place on the last axis
        pytest.approx([1, 1, 1, 1]),
        pytest.approx([0.5, 0.5, 0.25, 0.5]),  # the third of the choices is twice as high
        pytest.approx([0, 0, 0, 0], abs=1e-9),  # the best on top
    ]


def test_the_axes_have_the_options_in_their_order_and_the_loss_last(figures):
    plot_tuning(ROWS, OPTIONS, {}, metric="distortion")
    history, _, parallel = panels(figures[0])
    titles = [t.get_text() for t in parallel.texts if t.get_position()[1] == 1.09]
    assert titles == ["lr", "latent-dim", "network.width", "validation\ndistortion"]
    assert history.get_ylabel() == "validation distortion, nats per image"


def test_the_best_line_is_thick_and_those_pruned_are_dashed(figures):
    plot_tuning([*ROWS, row(5, None, "failed")], OPTIONS, {})
    drawn = lines(panels(figures[0])[2], 6)
    assert [line.get_linestyle() for line in drawn] == [":", "-", "-", "-", "-", "--"]
    thick = [line for line in drawn if line.get_linewidth() > 3]
    assert [line.get_ydata()[-1] for line in thick] == [pytest.approx((101 - 90) / (104 - 90))]


@pytest.mark.parametrize("theme", [LIGHT, DARK])
def test_the_best_loss_contrasts_most_with_the_background(figures, theme):
    plot_tuning([row(n, 100.0 + n) for n in range(5)], OPTIONS, {}, theme=theme)
    drawn = lines(panels(figures[0])[2], 5)
    grey = [sum(line.get_color()[:3]) for line in drawn]  # worst first
    assert sorted(grey, reverse=theme == LIGHT) == grey
    assert to_hex(figures[0].get_facecolor()) == to_hex(theme.background)


@pytest.mark.parametrize("trials", [0, 1, 2, 200])
@pytest.mark.parametrize("options", [1, 3, 8])
def test_no_texts_overlap_and_none_leaves_the_picture(figures, trials, options):
    names = ["lr", "fitted_prior.components", "objective.annealing_epochs", "x" * 40]
    axes = [OptionAxis(names[i % 4] + str(i // 4 or ""), 1e-4, 1e-2, True) for i in range(options)]
    rows = [
        Row(n, "completed", 100.0 + n % 7, {axis.name: 1e-3 for axis in axes})
        for n in range(trials)
    ]
    plot_tuning(rows, axes, {axis.name: 1 / options for axis in axes})
    (figure,) = figures
    figure.draw_without_rendering()
    history, importance, parallel = panels(figure)
    texts = [*importance.get_yticklabels(), *importance.texts, *parallel.texts, *history.texts]
    texts += [p.title for p in (history, importance)] + [history.xaxis.label, history.yaxis.label]
    boxes = [text.get_window_extent() for text in texts if text.get_text()]
    for box in boxes:
        assert box.x0 >= 0
        assert box.y0 >= 0
        assert box.x1 <= figure.bbox.x1
        assert box.y1 <= figure.bbox.y1
    named = list(zip(boxes, [text.get_text() for text in texts if text.get_text()], strict=True))
    pairs = [(one, two) for (a, one), (b, two) in combinations(named, 2) if a.overlaps(b)]
    assert pairs == []


def test_a_study_in_which_all_trials_failed_has_a_picture(figures):
    plot_tuning([row(n, None, "failed") for n in range(3)], OPTIONS, {})
    history, _, parallel = panels(figures[0])
    assert marks(history)["failed"] == [(n, 1.0) for n in range(3)]
    assert not history.lines
    assert {len(line.get_ydata()) for line in lines(parallel, 3)} == {3}


@pytest.mark.parametrize("name", HARD_NAMES)
def test_any_name_is_printed_as_it_is(name, recwarn):
    axes = [OptionAxis(name, choices=(name, "b"))]
    assert ink(plot_tuning([Row(0, "completed", 1.0, {name: name})], axes, {name: 1.0})) > 1000
    assert len(recwarn) == 0


def test_ticks_are_round_and_inside_the_range():
    texts = {
        (1e-4, 1e-2, True): ["0.0001", "0.001", "0.01"],
        (1, 100, True): ["1", "10", "100"],
        (1e-4, 1e-3, True): ["0.0001", "0.0002", "0.0005", "0.001"],
        (1.3e-4, 1.7e-4, True): ["0.00014", "0.00016"],
        (200, 800, False): ["200", "400", "600", "800"],
        (0.1, 0.3, False): ["0.1", "0.15", "0.2", "0.25", "0.3"],
        (5, 5, False): ["5"],
        (5, 5, True): ["5"],
    }
    for (low, high, is_log), expected in texts.items():
        assert [text for _, text in OptionAxis("x", low, high, is_log).ticks()] == expected


def test_of_many_choices_some_have_a_tick():
    ticks = OptionAxis("x", choices=tuple(range(40))).ticks()
    assert [text for _, text in ticks] == [str(n) for n in range(0, 40, 3)]
    assert ticks[1][0] == pytest.approx(3 / 39)


def test_a_value_that_is_no_choice_or_missing_has_no_place():
    assert math.isnan(LATENT.place(17))
    assert math.isnan(LATENT.place(None))
    assert math.isnan(LR.place(None))
    assert OptionAxis("x", choices=("a",)).place("a") == 0.5


def test_a_long_name_has_two_lines():
    assert OptionAxis("objective.annealing_epochs").title == "objective.\nannealing_epochs"
    assert OptionAxis("network.width").title == "network.width"
    assert OptionAxis("a" * 40).title == "a" * 17 + "\n" + "a" * 16 + "…"


def test_the_best_trial_is_the_first_of_equals_and_completed():
    rows = [row(3, 101.0), row(1, 101.0), row(0, 99.0, "pruned"), row(2, math.inf)]
    assert best_trial(rows).number == 1
    assert best_trial(rows[2:]) is None
    assert running_best(rows) == ([1, 3], [101.0, 101.0])
    assert loss_range([row(0, None)]) is loss_range([]) is None
