"""Makes the JSON objects that commands print; `results` says what their keys mean."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ..config.build import monitor_of
from ..config.config import to_json
from ..data.cache_entries import Entry
from ..data.cache_files import cache_folder
from ..data.download import DataSet
from ..data.readers.public_sets import PUBLIC_SETS
from ..evaluation.embeddings import Embeddings
from ..experiments.dry_run import DryRun
from ..experiments.resume import Plan
from ..run import names
from ..run.find import open_run
from ..run.run import Run
from ..training.early_stopping import best_epoch, stop_reason
from ..training.epoch import Epoch

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor

    from .results import (
        Cache,
        CachedImages,
        DownloadedSet,
        EpochMetrics,
        Grid,
        ImageChoice,
        Latents,
        Training,
        TrainingEstimate,
        Written,
    )


def training_result(folder: Path, seconds: float) -> "Training":
    """What a run directory says of a training that has ended without an error.

    Args:
        folder: The run directory.
        seconds: What this command spent on training.

    Raises:
        RunError: The run cannot be read.
    """
    run = open_run(folder, "last")
    config = run.config
    record = run.record
    history = run.history()
    monitor = monitor_of(config)
    checkpoints = folder / names.CHECKPOINTS
    reason = stop_reason(config, history, monitor)
    ended_by: Literal["epochs", "patience", "max-time"] = "max-time"
    if record.status == "completed":
        ended_by = "epochs" if len(history) >= config.epochs else "patience"
    best = folder / names.BEST
    return {
        "run_dir": str(folder),
        "status": "completed" if record.status == "completed" else "interrupted",
        "ended_by": ended_by,
        "reason": record.reason or reason or "",
        "epochs": len(history),
        "epochs_planned": config.epochs,
        "monitor": monitor,
        "last": _epoch(history[-1]) if history else None,
        "best": _epoch(best_epoch(history, monitor)),
        "checkpoints": {
            "last": str(run.checkpoint),
            "best": str(best) if best.exists() else None,
            "epochs": sorted(map(str, checkpoints.glob(names.EPOCH_CHECKPOINTS))),
        },
        "losses": str(folder / names.LOSSES),
        "parameters": record.parameters,
        "device": record.device,
        "seconds": seconds,
    }


def _epoch(epoch: Epoch | None) -> "EpochMetrics | None":
    if epoch is None:
        return None
    return {
        "number": epoch.number,
        "train": epoch.train,
        "test": epoch.test,
        "train_seconds": epoch.train_seconds,
        "test_seconds": epoch.test_seconds,
        "valid": epoch.valid,
    }


def estimate_result(estimate: DryRun, plan: Plan) -> "TrainingEstimate":
    """What a dry run found."""
    return {
        "parameters": estimate.parameters,
        "device": estimate.device,
        "epochs": estimate.epochs,
        "epoch_seconds": estimate.epoch_seconds,
        "memory_bytes": estimate.memory,
        "disk_bytes": estimate.disk,
        "fits_prior": estimate.fits_prior,
        "caches": estimate.caches,
        "config": to_json(plan.config),
    }


def of_run(run: Run) -> "Written":
    """The run and the checkpoint that were read."""
    return {"run_dir": str(run.folder), "checkpoint": str(run.checkpoint)}


def grid_result(run: Run, path: Path, images: "Tensor", picture: "Image") -> "Grid":
    """A picture of images.

    Args:
        run: The run that was read.
        path: Where the picture is.
        images: The images, shape `(N, C, H, W)`.
        picture: The picture.
    """
    return {
        **of_run(run),
        "output": str(path),
        "images": len(images),
        "shape": list(images.shape[1:]),
        "width": picture.width,
        "height": picture.height,
    }


def latents_result(
    run: Run,
    table: Path | None,
    picture: Path | None,
    latents: Embeddings,
    choice: "ImageChoice",
) -> "Latents":
    """Latents that were written to a table, plotted in a picture, or both."""
    return {
        **of_run(run),
        **choice,
        "output": _path(table),
        "plot": _path(picture),
        "images": len(latents.mean),
        "latent_dim": latents.mean.shape[1],
    }


def _path(path: Path | None) -> str | None:
    return None if path is None else str(path)


def download_result(name: str, found: DataSet) -> "DownloadedSet":
    """A data set that was downloaded, or was there."""
    result: DownloadedSet = {
        "name": name,
        "folder": str(found.folder),
        "downloaded": found.is_new,
        "images": found.counts,
        "shape": list(found.shape),
        "classes": [],
        "page": None,
        "licence": None,
    }
    if known := PUBLIC_SETS.get(name):
        result["classes"] = list(known.class_names)
        result["page"] = known.page
        result["licence"] = known.licence or None
    return result


def cache_result(kept: Sequence[Entry], removed: Sequence[Entry]) -> "Cache":
    """The cache of decoded images."""
    return {
        "folder": str(cache_folder()),
        "kept": list(map(_cached_images, kept)),
        "removed": list(map(_cached_images, removed)),
    }


def _cached_images(entry: Entry) -> "CachedImages":
    source = (entry.description or {}).get("source")
    return {
        "folder": str(entry.folder),
        "size": entry.size,
        "used": entry.used,
        "shape": None if entry.shape is None else list(entry.shape),
        "source": None if source is None else str(source),
    }
