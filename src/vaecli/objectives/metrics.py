"""The metrics that objectives log: units and meanings. Imports no torch."""

from typing import Literal, NamedTuple

Unit = Literal["nats", "fraction", ""]


class Metric(NamedTuple):
    """A mean over images.

    Attributes:
        unit: nats, a fraction from 0 to 1, or none ("").
        meaning: What it is, in a sentence.
    """

    unit: Unit
    meaning: str


METRICS = {
    "loss": Metric("nats", "What the training minimizes: the value of the objective."),
    "distortion": Metric("nats", "Reconstruction error: the expected -log p(x|z)."),
    "rate": Metric("nats", "KL(q(z|x) || p(z)); a deterministic posterior has none."),
    "prior_nll": Metric("nats", "-log p(z), in place of the rate of a deterministic posterior."),
    "vq_loss": Metric("nats", "Loss of the codebook, which is a part of the loss."),
    "total_correlation": Metric("nats", "Estimated dependence between the latent dimensions."),
    "dip_penalty": Metric("nats", "Weighted penalty on the covariance of the latents."),
    "feature_error": Metric("nats", "Half the squared distance of features of the discriminator."),
    "discriminator_loss": Metric("nats", "Loss of the discriminator."),
    "fooled_fraction": Metric("fraction", "Share of fakes that the discriminator calls real."),
    "classification_error": Metric("fraction", "Share of labelled images with a wrong class."),
    "mmd": Metric("", "Squared maximum mean discrepancy between latents and prior."),
    "sliced_wasserstein": Metric("", "Squared sliced Wasserstein distance from latents to prior."),
    "latent_l2": Metric("", "Half the squared norm of the latent."),
    "decoder_penalty": Metric("", "Penalty on the decoder, without its weight."),
}
METRIC_UNITS: dict[str, Unit] = {name: metric.unit for name, metric in METRICS.items()}
