"""`vaecli data cache`."""

from typing import Annotated

import typer

from ..terminal.options import AsJson

EXAMPLES = ["vaecli data cache", "vaecli data cache --clear"]


def cache(
    clear: Annotated[
        bool, typer.Option("--clear", help="Remove all of them but those that are in use.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """List the decoded images on the disk, or remove them.

    Images that take more than 1 GiB are decoded once, into the folder VAECLI_CACHE, by default
    vaecli in the user's cache folder. They are decoded anew when they are needed and not there.
    """
    from ..data.cache_entries import list_entries, remove_entry
    from ..data.cache_files import cache_folder
    from ..terminal.cache_table import cache_table, total
    from ..terminal.output import print_json, print_result, print_stderr
    from ..terminal.result_objects import cache_result

    kept = list_entries()
    removed = [entry for entry in kept if clear and remove_entry(entry)]
    kept = [entry for entry in kept if entry not in removed]
    for entry in kept if clear else []:
        print_stderr(f"Warning: {entry.folder} is in use, or may not be removed: kept.")
    if as_json:
        print_json(cache_result(kept, removed))
    elif clear:
        print_result(f"Removed {total(removed)} from {cache_folder()}.")
    else:
        print_result(cache_table(cache_folder(), kept))
