"""The report of `vaecli data check` as text for a person."""

import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from ..data.check.finding import Finding, counted
from ..data.check.report import Report
from ..system.text import escape_controls
from .output import print_result

MOST_COUNTED = 6  # sizes, classes and the like in a line
MOST_GROUPS = 5  # of names, in a finding
MOST_NAMES = 4  # in a group
MOST_BROKEN = 100  # reasons why images cannot be read
STYLES = {"error": "bold red", "warning": "bold yellow", "info": "bold"}


class Line(NamedTuple):
    """A line of the report: its style of rich, its indent in columns, and its text."""

    style: str
    indent: int
    text: str


def print_report(name: str, report: Report) -> None:
    """Print the report on stdout: wrapped and in colour on a terminal, else line by line."""
    lines = [line._replace(text=escape_controls(line.text)) for line in report_lines(name, report)]
    if sys.stdout is None or not sys.stdout.isatty():
        print_result("\n".join(" " * line.indent + line.text for line in lines))
        return
    console = Console(highlight=False)
    for line in lines:
        console.print(Padding(Text(line.text, line.style), (0, 0, 0, line.indent), expand=False))


def report_lines(name: str, report: Report) -> Iterator[Line]:
    """The lines of a report.

    Args:
        name: What the data set is called.
        report: What was found.
    """
    broken = report.images - report.readable
    unreadable = f", {broken:,} of them broken" if broken else ""
    yield Line("bold", 0, f"{name}: {counted(report.images, 'image')}{unreadable}")
    low, high = report.range
    rows = {
        "splits": _most_frequent(report.splits),
        "classes": _most_frequent(report.classes),
        "sizes": _most_frequent({f"{w}x{h}": count for (w, h), count in report.sizes.items()}),
        "modes": _most_frequent(report.modes),
        "range": f"{low} to {high}, of 0 to 255" if report.readable else "",
        "skipped": _most_frequent(report.skipped),
    }
    for title, text in rows.items():
        if text:
            yield Line("", 2, f"{title:8} {text}")
    for notice in report.notices:
        yield Line("", 2, notice)
    for finding in report.findings:
        yield from _finding_lines(finding)
    yield Line("", 0, "")
    yield Line("bold", 0, _summary(report))


def _most_frequent(counts: Mapping[str, int]) -> str:
    """The counts in a line, such as "1,000 RGB, 2 RGBA"; of many, the most frequent."""
    ordered = sorted(counts.items(), key=lambda item: -item[1])
    parts = [f"{count:,} {name}" for name, count in ordered[:MOST_COUNTED]]
    if len(ordered) > MOST_COUNTED:
        parts.append(f"and {len(ordered) - MOST_COUNTED:,} more")
    return ", ".join(parts)


def _finding_lines(finding: Finding) -> Iterator[Line]:
    yield Line("", 0, "")
    title = f"{finding.severity}: {finding.kind.replace('-', ' ')}"
    yield Line(STYLES[finding.severity], 0, title)
    yield Line("", 2, finding.text)
    yield Line("", 2, finding.advice)
    if finding.severity == "info":
        return
    lines = [_few_names(group) for group in finding.groups]
    most = MOST_GROUPS
    if finding.details:
        lines = _reasons(finding.details)
        most = MOST_BROKEN
    for line in lines[:most]:
        yield Line("dim", 4, line)
    if len(lines) > most:
        yield Line("dim", 4, f"and {len(lines) - most:,} more: --json lists all")


def _few_names(names: Sequence[str]) -> str:
    text = ", ".join(names[:MOST_NAMES])
    if len(names) > MOST_NAMES:
        text += f", and {len(names) - MOST_NAMES:,} more"
    return text


def _reasons(details: Iterable[tuple[str, str]]) -> list[str]:
    """Each reason once, with the images that it is of where it does not name them itself."""
    images = defaultdict(list)
    for name, reason in details:
        images[reason].append(name)
    return [
        reason if len(names) == 1 and names[0] in reason else f"{_few_names(names)}: {reason}"
        for reason, names in images.items()
    ]


def _summary(report: Report) -> str:
    severities = [finding.severity for finding in report.findings]
    faults = len(severities) - severities.count("info")
    if not faults:
        return "No faults found."
    errors = severities.count("error")
    warnings = severities.count("warning")
    return (
        f"{counted(faults, 'kind')} of fault found: {counted(errors, 'error')}, "
        f"{counted(warnings, 'warning')}."
    )
