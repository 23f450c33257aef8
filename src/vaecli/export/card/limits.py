"""The section of a model card on its limits, each of which follows from the run."""

from pathlib import Path

from ...parts.posteriors import POSTERIORS
from ...run import names
from .facts import Facts
from .markdown import bullets, code, counted, rounded


def limits_section(facts: Facts) -> str:
    """What the model must not be trusted for, and why."""
    items = [
        f"It was trained on {code(facts.data_name)} alone. How it treats other images has not been "
        "tested.",
        *_of_training(facts),
        *_of_losses(facts),
        *_of_samples(facts),
        "Neither a bias of the images nor whether samples repeat training images was examined.",
    ]
    return f"## Limits\n\n{bullets(items)}"


def _of_training(facts: Facts) -> list[str]:
    items = [
        f"This is one training, with seed {facts.config.seed}: it does not say how much results "
        "differ between seeds."
    ]
    done, wanted = len(facts.header.history), facts.config.epochs
    if done < wanted:
        items.append(f"The weights are those after {done:,} of {counted(wanted, 'epoch')}.")
    if facts.header.position.batch:
        items.append("They were saved within the next epoch: the losses are those before it.")
    if fall := _last_fall(facts):
        items.append(fall)
    record = facts.record
    if record is not None and record.status != "completed":
        items.append(f"Training was not completed: its status is {record.status}.")
    if record is not None and record.rollbacks:
        times = "once" if record.rollbacks == 1 else f"{record.rollbacks} times"
        items.append(f"Training diverged {times} and went on with half the learning rate.")
    if record is not None and record.initialized_from is not None:
        items.append("It began with the weights of another run, of whose data nothing stands here.")
    return items


def _last_fall(facts: Facts) -> str:
    """By how much the loss still fell in the last epoch; empty if it did not fall."""
    if len(facts.header.history) < 2:
        return ""
    before, last = facts.header.history[-2:]
    split = "validation" if last.valid else "test"
    fall = (before.valid or before.test)["loss"] - (last.valid or last.test)["loss"]
    if fall <= 0:
        return ""
    return f"In the last epoch the {split} loss fell by {rounded(fall)}: more epochs may lower it."


def _of_losses(facts: Facts) -> list[str]:
    config = facts.config
    items = ["No loss here measures how good samples look."]
    if facts.is_adversarial:
        items.append("The loss has the part of a discriminator: it does not measure quality.")
    if config.likelihood.name == "bernoulli" and config.binarize == "none":
        items.append(
            "The distortion of grey pixels is a cross-entropy, not a likelihood: compare it only "
            "with others of this kind, of the same images."
        )
    else:
        items.append("Compare losses only with those of the same likelihood and images.")
    if config.validation:
        items.append(_choice(facts))
    else:
        items.append("No images were held out for validation: nothing chose the epoch.")
    if config.test_images and not facts.has_folder:  # those of a folder are in a random order
        items.append("The first test images of a data set may be easier than the others.")
    return items


def _choice(facts: Facts) -> str:
    if facts.run.checkpoint.name == Path(names.BEST).name:
        return (
            "The validation images chose the epoch: their losses are a little too low. The test "
            "images chose nothing."
        )
    return "The epoch is the last one, whatever the validation losses say."


def _of_samples(facts: Facts) -> list[str]:
    config = facts.config
    items = ["Decoded images are means of pixels, and no samples of the likelihood."]
    if not POSTERIORS[config.posterior.name].has_density:
        items.append("The encoder is deterministic: it does not say how certain a latent is.")
    if facts.run.has_fitted_prior():
        items.append("Samples are of the fitted prior; the losses above are with that of training.")
    if config.conditional:
        items.append("It needs the class of an image, also to encode it.")
    return items
