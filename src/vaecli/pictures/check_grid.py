"""The images with faults in one picture: a titled row for each kind of fault."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw

from ..data.check.finding import Finding, counted
from ..data.readers.item import Item
from ..system.errors import DataError
from ..system.text import escape_controls
from .grids import default_font
from .themes import LIGHT, Theme

CELL = 96  # pixels on each side of an image here
COLUMNS = 8
GAP = 10  # pixels between groups, and around everything
INNER_GAP = 3  # pixels between the images of a group
MOST_OF_GROUP = 4  # images of a group
TITLE_FONT = 16  # pixels, height
NAME_FONT = 11
NAME_WIDTH = CELL - 4
TITLE_HEIGHT = 26
NAME_HEIGHT = 18


@dataclass(frozen=True)
class _Cell:
    """An image in a row: its place, and what is drawn there; None if it cannot be read."""

    left: int
    name: str
    image: Image.Image | None


def has_images(finding: Finding) -> bool:
    """Whether a finding is a fault of images, which can be shown."""
    return finding.severity != "info" and finding.of == "images" and bool(finding.groups)


def draw_findings(
    findings: Sequence[Finding], items: Mapping[str, Item], theme: Theme = LIGHT
) -> Image.Image:
    """The first images of each finding about images, each with its name below it.

    The images of a group, such as copies, stand close together. Small images are enlarged without
    smoothing. An image that cannot be read, or no longer, is a crossed box.

    Args:
        findings: Those that have no images are left out.
        items: The images by name; up to eight of each finding are read again.
        theme: Colours of background and text.
    """
    shown = [finding for finding in findings if has_images(finding)]
    row_height = TITLE_HEIGHT + CELL + NAME_HEIGHT + GAP
    size = (GAP + COLUMNS * (CELL + GAP), GAP + max(1, len(shown)) * row_height)
    sheet = Image.new("RGB", size, theme.background)
    draw = ImageDraw.Draw(sheet)
    for row, finding in enumerate(shown):
        top = GAP + row * row_height
        cells = _cells(finding, items)
        title = _title(finding, len(cells))
        middle = top + TITLE_HEIGHT / 2
        font = default_font(TITLE_FONT)
        draw.text((GAP, middle), title, fill=theme.foreground, font=font, anchor="lm")
        for cell in cells:
            _draw_cell(sheet, cell, top + TITLE_HEIGHT, theme)
    return sheet


def _title(finding: Finding, shown: int) -> str:
    kind = finding.kind.replace("-", " ").capitalize()
    title = f"{kind}: {counted(len(finding.names), 'image')}"
    if shown < len(finding.names):
        title += f", the first {shown}"
    return title


def _cells(finding: Finding, items: Mapping[str, Item]) -> list[_Cell]:
    """The images of a row, from left to right."""
    cells: list[_Cell] = []
    left = GAP
    for group in finding.groups:
        names = group[:MOST_OF_GROUP]
        width = len(names) * (CELL + INNER_GAP) - INNER_GAP
        if left + width > GAP + COLUMNS * (CELL + GAP):
            break
        for name in names:
            cells.append(_Cell(left, name, _read(items[name])))
            left += CELL + INNER_GAP
        left += GAP - INNER_GAP
    return cells


def _read(item: Item) -> Image.Image | None:
    """The image, fitted into a cell; None if it cannot be read."""
    try:
        image = item.read()
    except DataError:
        return None
    scale = CELL / max(image.size)
    if scale >= 2:
        size = (image.width * int(scale), image.height * int(scale))
        return image.resize(size, Image.Resampling.NEAREST)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return image.resize(size, Image.Resampling.LANCZOS)


def _draw_cell(sheet: Image.Image, cell: _Cell, top: int, theme: Theme) -> None:
    draw = ImageDraw.Draw(sheet)
    right, bottom = cell.left + CELL - 1, top + CELL - 1
    draw.rectangle((cell.left, top, right, bottom), fill=(theme.gap,) * 3)
    if cell.image is None:
        draw.line((cell.left, top, right, bottom), fill=theme.foreground, width=2)
        draw.line((cell.left, bottom, right, top), fill=theme.foreground, width=2)
    else:
        place = (
            cell.left + (CELL - cell.image.width) // 2,
            top + (CELL - cell.image.height) // 2,
        )
        sheet.paste(cell.image, place)
    # white images have an edge on a white sheet too
    draw.rectangle((cell.left - 1, top - 1, right + 1, bottom + 1), outline=(theme.gap,) * 3)
    middle = (cell.left + CELL / 2, top + CELL + NAME_HEIGHT / 2)
    font = default_font(NAME_FONT)
    draw.text(middle, _short(cell.name), fill=theme.foreground, font=font, anchor="mm")


def _short(name: str) -> str:
    """The end of a name, as much as fits below a cell."""
    name = escape_controls(name).replace("\n", " ")
    font = default_font(NAME_FONT)
    if font.getlength(name) <= NAME_WIDTH:
        return name
    while name and font.getlength(f"...{name}") > NAME_WIDTH:
        name = name[1:]
    return f"...{name}"
