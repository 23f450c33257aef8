"""The JSON object of `vaecli tune`."""

from typing import Annotated, Any, Literal

from typing_extensions import TypedDict

from .result_keys import RunDirectory, key


class Trial(TypedDict):
    """One trial of a study."""

    number: Annotated[int, key("Number of the trial, from 0.")]
    state: Annotated[
        Literal["running", "completed", "pruned", "failed"],
        key("running also where the trial waits for a worker to resume it."),
    ]
    value: Annotated[
        float | None,
        key("Lowest validation value of the metric so far; null without a finite one.", "nats"),
    ]
    epochs: Annotated[int, key("Number of epochs that are done.", "epochs")]
    seconds: Annotated[float, key("Time of training.", "seconds")]
    options: Annotated[dict[str, Any], key("Values of the options searched, by name.")]
    run: RunDirectory
    reason: Annotated[str | None, key("Why the trial was pruned or failed.")]


class TestMetrics(TypedDict):
    """Metrics of the best trial on the test images."""

    trial: Annotated[int, key("Number of the trial.")]
    images: Annotated[int, key("Number of test images.", "images")]
    metrics: Annotated[dict[str, float], key("Means over the test images, by metric.")]


class Study(TypedDict):
    """A study: trials of options, and the best of them."""

    study: Annotated[str, key("Folder of the study.")]
    finished: Annotated[bool, key("Whether all trials have ended.")]
    metric: Annotated[
        Literal["loss", "distortion", "negative_elbo"], key("What trials are compared by.")
    ]
    search: Annotated[dict[str, str], key("Ranges of the options searched, by name.")]
    best: Annotated[Trial | None, key("The best trial; null if none is completed.")]
    config: Annotated[str | None, key("File with the options of the best trial.")]
    test: Annotated[TestMetrics | None, key("Metrics of the best trial; null before the end.")]
    trials: Annotated[list[Trial], key("All trials that have begun.")]
