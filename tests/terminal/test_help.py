"""Help texts: groups of options, and examples at the end."""

from typing import Literal

import typer

from vaecli.terminal.help import GroupedCommand, examples


def run_help(command, capsys):
    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    app.command(cls=GroupedCommand, epilog=examples(["tool --size 3", "tool"]))(command)
    app(["--help"], standalone_mode=False, prog_name="tool")
    return capsys.readouterr().out


def test_options_stand_in_their_groups_in_the_order_of_the_signature(capsys):
    def tool(
        name: str = typer.Argument(help="Of the thing."),
        size: int = typer.Option(1, help="How large.", rich_help_panel="Shape"),
        quiet: bool = typer.Option(False, "--quiet", help="Say nothing."),
        depth: int = typer.Option(2, help="How deep.", rich_help_panel="Shape"),
        secret: bool = typer.Option(False, "--secret", hidden=True),
    ) -> None:
        """Do it."""

    lines = run_help(tool, capsys).splitlines()
    titles = [line for line in lines if line.endswith(":") and not line.startswith(" ")]
    assert titles == ["Arguments:", "Shape:", "Options:"]
    starts = [line.split()[0] for line in lines if line.startswith("  -")]
    assert starts == ["--size", "--depth", "--quiet", "--help"]


def test_placeholders_have_one_notation_and_ranges_are_left_out(capsys):
    def tool(
        name: str = typer.Argument("x", help="Of the thing."),
        size: int = typer.Option(1, help="How large.", metavar="N", min=1),
        depth: int | None = typer.Option(None, help="How deep.", metavar="N", min=0),
        mode: Literal["fast", "slow"] = typer.Option("fast", help="How quick."),
    ) -> None:
        """Do it."""

    text = run_help(tool, capsys)
    assert ".  [" not in text  # one space before a default
    lines = [line.strip() for line in text.splitlines()]
    shown = [" ".join(line.split()) for line in lines if line.startswith(("name", "--"))]
    assert shown == [
        "name Of the thing. [default: x]",
        "--size N How large. [default: 1]",
        "--depth N How deep.",
        "--mode fast|slow How quick. [default: fast]",
        "--help Show this message and exit.",
    ]


def test_examples_keep_their_lines(capsys):
    def tool(size: int = 1) -> None:
        """Do it."""

    text = run_help(tool, capsys)
    assert text.endswith("Examples:\n    tool --size 3\n    tool\n")
