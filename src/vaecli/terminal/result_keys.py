"""Keys that several of the JSON objects of commands have."""

from typing import Annotated, Any

from pydantic import Field


def key(meaning: str, unit: str = "") -> Any:
    """What a key of an object means, and the unit of its value."""
    return Field(description=meaning, json_schema_extra={"unit": unit} if unit else None)


RunDirectory = Annotated[str, key("Run directory.")]
Checkpoint = Annotated[str, key("Checkpoint that was read.")]
ImageCount = Annotated[int, key("Number of images.", "images")]
Shape = Annotated[list[int], key("Shape of an image: channels, height, width.")]
Seed = Annotated[int, key("Seed of the random numbers.")]
Split = Annotated[str | None, key("Split that was read; null with --input.")]
Inputs = Annotated[list[str], key("Values of --input; empty for a split.")]
