"""`vaecli data check`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..terminal.options import AsJson, Dark

if TYPE_CHECKING:
    from ..data.check.report import Report
    from ..data.readers.item import Listing

EXAMPLES = [
    "vaecli data check photos/",
    "vaecli data check photos.zip --plot faults.png",
    "vaecli data check photos/ --json > report.json",
]


def check(
    path: Annotated[
        Path,
        typer.Argument(
            help="Folder or file of images, as in train --data.", metavar="PATH", show_default=False
        ),
    ],
    as_json: AsJson = False,
    plot: Annotated[
        Path | None,
        typer.Option(
            help="Picture to write of the images with faults, a row for each kind: .png, .jpg, "
            ".webp or .bmp.",
            metavar="FILE",
            show_default=False,
        ),
    ] = None,
    dark: Dark = False,
) -> None:
    """Find broken files, copies, leaks and odd images.

    Every image is read once; no file is changed. The report says what was found and what to do
    about it. The status is 0 with findings too, and 3 if no image can be read.

    The JSON object has the keys path, images, readable, splits, classes, sizes (such as 64x48:
    width x height), modes, range, skipped, notices and findings; a finding has kind, severity
    (error, warning or info), of (images or classes), count, groups (lists of names that belong
    together), text, advice and details (more about single names).
    """
    from ..data.check import report as reports
    from ..data.readers.formats import list_images
    from ..terminal.check_text import print_report
    from ..terminal.output import print_json
    from ..terminal.progress import image_progress

    picture = _picture_path(plot)
    listing = list_images(path)
    with image_progress("reading images", len(listing.items)) as on_progress:
        report = reports.check(listing, on_progress)
    if as_json:
        print_json({"path": str(path), **report.to_json()})
    else:
        print_report(str(path), report)
    if picture:
        _draw(report, listing, *picture, dark)
    reports.require_readable(report, str(path))


def _picture_path(plot: Path | None) -> tuple[Path, str] | None:
    """Where the picture goes, and its ending; None if none is wanted."""
    from ..pictures.grids import ENDINGS
    from ..system.errors import ConfigError
    from ..terminal.output import checked_path

    if plot is None:
        return None
    if str(plot) == "-":
        raise ConfigError("--plot - would mix the picture with the report: name a file.")
    return checked_path(plot, ENDINGS)


def _draw(report: "Report", listing: "Listing", path: Path, ending: str, dark: bool) -> None:
    """Write the picture and say so on stderr; stdout has the report alone."""
    from ..pictures.check_grid import draw_findings, has_images
    from ..pictures.grids import encode_image
    from ..pictures.themes import choose_theme
    from ..system import files
    from ..terminal.output import print_stderr

    if not any(map(has_images, report.findings)):
        print_stderr(f"No picture is written to {path}: no image has a fault.")
        return
    items = {item.name: item for item in listing.items}
    sheet = draw_findings(report.findings, items, choose_theme(dark))
    files.write_atomic(path, encode_image(sheet, ending))
    print_stderr(f"The images with faults are in {path}.")
