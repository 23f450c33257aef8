"""The sections of a model card on the training and its losses."""

from ...config.build import resolve
from ...config.config import Config
from ...config.spec import Spec
from ...config.train_command import changed_options, shortest_spec, train_command
from ...objectives import METRIC_UNITS
from ...run import names
from .facts import Facts, shell_name
from .markdown import code, counted, fence, rounded, table

DEFAULTS = resolve(Config())
MEANINGS = {
    "loss": "The loss is what training minimizes.",
    "distortion": "The distortion is the mean of -log p(x\\|z), the error of reconstruction.",
    "rate": "The rate is KL(q\\|\\|p), an upper bound of what the latents say of an image.",
    "prior_nll": "prior\\_nll is the mean of -log p(z); a deterministic posterior has no rate.",
}


def recipe_section(facts: Facts) -> str:
    """The options of the training, the command that repeats it, and how it went."""
    derived = facts.record.derived if facts.record is not None else []
    rows = [
        [f"`{name}`", code(_text(name, value)), code(_text(name, getattr(DEFAULTS, name)))]
        for name, value in changed_options(facts.config).items()
        if name not in derived
    ]
    text = ["## Training", f"Preset: {code(facts.config.preset)}."]
    if rows:
        text += ["Options that differ from the defaults of vaecli:"]
        text += [table(["option", "value", "default"], rows)]
    else:
        text += ["All options have their defaults."]
    text += ["The command that trains it again, where the data have this name:"]
    text += [fence("bash", [_command(facts, derived)]), _course(facts)]
    return "\n\n".join(text)


def _command(facts: Facts, derived: list[str]) -> str:
    config = facts.config
    data = shell_name(config.data) if facts.has_folder else config.data
    data_dir = None if config.data_dir is None else shell_name(config.data_dir)
    return train_command(config, data, data_dir, derived)


def _text(name: str, value: object) -> str:
    if isinstance(value, Spec):
        return str(shortest_spec(name, value))
    return "not set" if value is None else str(value).lower()


def _course(facts: Facts) -> str:
    """How long it took, where, and with which versions."""
    history = facts.header.history
    seconds = sum(epoch.train_seconds for epoch in history)
    done = counted(len(history), "epoch")
    text = f"The weights are those after {done}, {seconds:,.0f} s of training"
    record = facts.record
    if record is None:
        return f"{text}. vaecli {facts.header.vaecli} wrote them."
    versions = ", ".join(f"{name} {version}" for name, version in record.versions.items())
    text += f", on {code(str(record.device))}, CPU threads: {record.threads}. Versions: {versions}."
    text += f" Begun on {record.started:%Y-%m-%d}."
    if record.initialized_from is not None:
        text += " Training began with the weights of another run, which the command does not name."
    return text


def evaluation_section(facts: Facts) -> str:
    """The losses after the epoch of the checkpoint."""
    which = f"`{facts.run.checkpoint.name}`"
    epoch = facts.epoch
    if epoch is None:
        return f"## Evaluation\n\nNo epoch had ended when {which} was written: there are no losses."
    splits = {"validation": epoch.valid, "test": epoch.test, "training": epoch.train}
    splits = {split: means for split, means in splits.items() if means}
    rows = [
        [f"`{name}`", METRIC_UNITS.get(name, "") or "-"]
        + [rounded(means[name]) if name in means else "-" for means in splits.values()]
        for name in epoch.train
    ]
    text = [
        "## Evaluation",
        f"After epoch {epoch.number:,}, the last that {which} counts: means over the images of a "
        "split, in nats per image where the unit says so. Those of training images were taken "
        "during the epoch, while the weights changed; the others after it.",
        table(["metric", "unit", *splits], rows),
        " ".join(text for name, text in MEANINGS.items() if name in epoch.train),
    ]
    shown = {names.SAMPLES: "Samples of the model", names.LOSS_PLOT: "Losses by epoch"}
    text += [f"![{alt}]({name})" for name, alt in shown.items() if name in facts.pictures]
    return "\n\n".join(text)
