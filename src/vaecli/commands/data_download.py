"""`vaecli data download`."""

import signal
from pathlib import Path
from typing import Annotated

import typer

from ..data.readers.public_sets import PUBLIC_SETS
from ..terminal.completion import complete_public_set
from ..terminal.options import AsJson, option

EXAMPLES = [
    "vaecli data download fashion-mnist",
    "vaecli data download cifar10 --data-dir /data",
]


def download(
    name: Annotated[
        str,
        typer.Argument(
            help=f"Data set: {', '.join(PUBLIC_SETS)}.",
            metavar="NAME",
            autocompletion=complete_public_set,
        ),
    ],
    data_dir: Annotated[
        Path | None,
        option(
            "--data-dir",
            help="Folder to write. [default: vaecli in $XDG_DATA_HOME or ~/.local/share]",
            metavar="DIR",
            show_default=False,
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Download a data set, check it, and print its folder.

    vaecli train --data NAME then reads it. A download that was stopped goes on where it stopped.
    """
    from ..data.download import download as download_set
    from ..system.errors import Interrupted
    from ..terminal.downloads import data_set_summary, download_progress
    from ..terminal.output import print_json, print_path, print_stderr
    from ..terminal.result_objects import download_result

    try:
        with download_progress() as show:
            found = download_set(name, data_dir, show)
    except KeyboardInterrupt:
        advice = "Run the command again to go on."
        raise Interrupted(signal.SIGINT, f"Stopped by SIGINT. {advice}") from None
    print_stderr(data_set_summary(name, found, data_dir))
    if as_json:
        print_json(download_result(name, found))
    else:
        print_path(found.folder)
