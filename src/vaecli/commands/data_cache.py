"""`vaecli data cache`."""

from typing import Annotated

import typer

EXAMPLES = ["vaecli data cache", "vaecli data cache --clear"]


def cache(
    clear: Annotated[
        bool, typer.Option("--clear", help="Remove all of them but those that are in use.")
    ] = False,
) -> None:
    """List the decoded images on the disk, or remove them.

    Images that take more than 1 GiB are decoded once, into the folder VAECLI_CACHE, by default
    vaecli in the user's cache folder. They are decoded anew when they are needed and not there.
    """
    from ..data.cache_entries import list_entries, remove_entry
    from ..data.cache_files import cache_folder
    from ..terminal.cache_table import cache_table, total
    from ..terminal.output import print_result, print_stderr

    entries = list_entries()
    if not clear:
        print_result(cache_table(cache_folder(), entries))
        return
    removed = []
    for entry in entries:
        if remove_entry(entry):
            removed.append(entry)
        else:
            print_stderr(f"Warning: {entry.folder} is in use, or may not be removed: kept.")
    print_result(f"Removed {total(removed)} from {cache_folder()}.")
