"""A model card, and what a parser of Markdown finds in it."""

from pathlib import Path

import yaml
from markdown_it import MarkdownIt
from markdown_it.token import Token

from vaecli.export.card.page import write_card
from vaecli.export.exported import Exported, ExportedFile, Port
from vaecli.export.weights import save_weights
from vaecli.run.find import open_run

IMAGE = Port("image", "float32", ("batch", 3, 7, 9), "Pixels.")
LATENT = Port("latent", "float32", ("batch", 2), "A latent.")
LABEL = Port("label", "int64", ("batch",), "The class of each image.")


def graphs(folder: Path) -> Exported:
    """What an export would say of the graphs of a conditional model, without their files."""
    ports = {"encoder": ((IMAGE, LABEL), (LATENT,)), "decoder": ((LATENT, LABEL), (IMAGE,))}
    files = tuple(
        ExportedFile(folder / f"{graph}.{kind}", graph, kind, *of_graph, 1.5e-7)
        for kind in ("onnx", "pt2")
        for graph, of_graph in ports.items()
    )
    return Exported(files, {"scorer": "Its prior | has no density."}, {})


def card(run: Path, folder: Path, checkpoint: str | None = None, **options: str) -> str:
    """The card of a run, written to a folder beside the weights."""
    folder.mkdir(exist_ok=True)
    opened = open_run(run, checkpoint)
    save_weights(opened, folder)
    written = write_card(opened, graphs(folder), folder, **options)
    assert written[-1] == folder / "README.md"
    return written[-1].read_text(encoding="utf-8")


def head(text: str) -> dict[str, object]:
    """The metadata for the Hub."""
    _, metadata, _ = text.split("---\n", 2)
    return yaml.safe_load(metadata)


def tokens(text: str) -> list[Token]:
    """The blocks of the card without its head."""
    return MarkdownIt("commonmark").enable("table").parse(text.split("---\n", 2)[2])


def spoken(token: Token) -> str:
    """The text of a block as a reader sees it."""
    return "".join(child.content for child in token.children or [])


def tables(text: str) -> list[list[list[str]]]:
    """The tables of the card: rows of cells as a reader sees them."""
    found: list[list[list[str]]] = []
    inside = False
    for token in tokens(text):
        if token.type == "table_open":
            found.append([])
        elif token.type == "tr_open":
            found[-1].append([])
        elif token.type in ("td_open", "th_open"):
            inside = True
        elif token.type == "inline" and inside:
            found[-1][-1].append(spoken(token))
            inside = False
    return found


def blocks(text: str, language: str) -> list[str]:
    """The blocks of code of a language."""
    return [t.content for t in tokens(text) if t.type == "fence" and t.info == language]


def sections(text: str) -> dict[str, str]:
    """What a reader sees under each heading of the second level."""
    found: dict[str, str] = {}
    title = ""
    before = None
    for token in tokens(text):
        if token.type == "inline" and before is not None and before.tag == "h2":
            title = spoken(token)
            found[title] = ""
        elif title:
            found[title] += spoken(token) + "\n"
        before = token
    return found
