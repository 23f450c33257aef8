"""What an exported file says of its model, as text by key."""

import json
from dataclasses import asdict

from ..config.build import resolve, with_latent_dim
from ..config.config import Config
from ..model import VAE
from ..run.run import Run
from ..system.version import __version__
from .graphs import Graph

RESIZED = {
    "crop": "cut the middle of an image of another aspect",
    "pad": "pad an image of another aspect with white",
    "stretch": "ignore the aspect of an image",
}
BINARIZED = {
    "none": "",
    "threshold": " Then make each value above 0.5 a 1, and the others 0.",
    "dynamic": " Then make each value 1 with a probability equal to itself, else 0.",
}


def describe(run: Run, model: VAE) -> dict[str, str]:
    """What all exported files of a run say, by key; JSON where the value is a list.

    Args:
        run: The run.
        model: Its model.
    """
    header = run.contents[1]
    config = with_latent_dim(resolve(header.config), header.shape)
    parts = ("preset", "posterior", "prior", "likelihood", "objective", "network")
    fitted = str(config.fitted_prior) if run.has_fitted_prior() else "none"
    epochs = len(header.history)
    return {
        "vaecli_version": __version__,
        **{name: str(getattr(config, name)) for name in parts},
        "fitted_prior": fitted,
        "epochs": str(epochs),
        "conditional": json.dumps(bool(model.context)),
        "latent_dim": str(config.latent_dim),
        "latent_shape": json.dumps(model.posterior.latent_shape),
        "image_shape": json.dumps(header.shape),
        "image_range": json.dumps([0, 1]),
        "image_preparation": preparation_text(config, header.shape),
        "binarize": config.binarize,
        "protocol": model.likelihood.protocol(config.binarize),
        "classes": str(header.classes),
        "class_names": json.dumps(header.class_names, ensure_ascii=False),
    }


def preparation_text(config: Config, shape: tuple[int, int, int]) -> str:
    """How an image becomes an input of the encoder, in sentences.

    Args:
        config: Its options of images are used.
        shape: Shape of an image, (C, H, W).
    """
    channels, height, width = shape
    colours = "grey" if channels == 1 else "RGB"
    if channels not in (1, 3):
        colours = f"{channels} channels"
    return (
        f"Lay alpha over white, convert to {colours}, {RESIZED[config.resize]}, resize to "
        f"{width}x{height} pixels (width x height) with a Lanczos filter, divide by 255 and order "
        f"as (batch, {channels}, {height}, {width}).{BINARIZED[config.binarize]}"
    )


def describe_graph(graph: Graph) -> dict[str, str]:
    """What the file of a graph says beside that: its name, inputs and outputs."""
    return {
        "graph": graph.name,
        "inputs": json.dumps([asdict(port) for port in graph.inputs]),
        "outputs": json.dumps([asdict(port) for port in graph.outputs]),
    }
