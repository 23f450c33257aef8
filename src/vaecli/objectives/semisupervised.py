"""Learning from few labels: an objective that owns a classifier."""

import math
from typing import Annotated

import torch
from annotated_types import Gt
from torch import Tensor
from torch.distributions import Categorical
from torch.nn.functional import cross_entropy, one_hot

from ..errors import ConfigError
from ..model import VAE
from ..parts.networks import EncoderWithHead, Network
from .objective import END, Context, Objective, Terms


class M2(Objective):
    """Semi-supervised VAE: an image without a label is scored under every label, by a classifier.

    The label y is a second latent, with a uniform prior and the classifier q(y | x) as its
    posterior: its rate is log(classes) minus the entropy of q. A known label is a point mass
    instead, which makes the paper's bound U(x) its L(x, y). Training adds alpha times the cross
    entropy of the known labels. Evaluation scores every image as one without a label: the loss is
    then U alone, a bound on `-log p(x)`, and labels serve only to count `error`, the fraction of
    images that the classifier puts in a wrong class.

    References:
        Semi-Supervised Learning with Deep Generative Models (Kingma et al., 2014),
            https://arxiv.org/abs/1406.5298

    Args:
        alpha: Weight of the cross entropy, a mean over the labelled images of a batch, against the
            bound, a mean over all of them. The paper has 0.1, over far more epochs.
    """

    reads_labels = True

    def __init__(
        self,
        network: Network,
        shape: tuple[int, ...],
        classes: int,
        context: int,
        alpha: Annotated[float, Gt(0)] = 50.0,
    ) -> None:
        super().__init__()
        if not context:
            raise ConfigError("m2 needs parts that are given the label: add --conditional.")
        self.alpha, self.classes = alpha, classes
        self.classifier = EncoderWithHead(network.encoder(shape, 0), classes)  # logits of q(y | x)

    def forward(self, model: VAE, x: Tensor, c: Context = None, epoch: float = END) -> Terms:
        c = x.new_zeros(len(x), self.classes) if c is None else c
        logits, _ = self.classifier(x)
        used = c if model.training else torch.zeros_like(c)
        columns = self.bound(model, x, logits, used)
        loss = torch.stack(tuple(columns.values())).sum(0).mean()
        labelled = c.any(-1)
        count = labelled.sum().clamp(min=1)
        if model.training:
            loss = loss + self.alpha * cross_entropy(logits, c, reduction="sum") / count
        wrong = labelled & (logits.argmax(-1) != c.argmax(-1))
        logged = {"loss": loss} | {name: column.mean() for name, column in columns.items()}
        logged["error"] = wrong.sum() / count
        return Terms(loss, {name: term.detach() for name, term in logged.items()})

    def bound(self, model: VAE, x: Tensor, logits: Tensor, c: Tensor) -> dict[str, Tensor]:
        """What adds up to the bound for the joint latent (y, z), each term of shape `(B,)`."""
        known = c.any(-1, keepdim=True)
        q = Categorical(logits=torch.where(known, c.log(), logits), validate_args=False)
        possible = c.bool() | ~known  # of all pairs of an image and a label, (B, classes)
        image, label = possible.nonzero(as_tuple=True)
        draw = model.draw(x[image], one_hot(label, self.classes).to(x.dtype))
        scores = draw.scores() | ({} if draw.penalty is None else {"penalty": draw.penalty})
        columns = {
            name: (q.probs * torch.zeros_like(c).masked_scatter(possible, score)).sum(-1)
            for name, score in scores.items()
        }
        columns["rate"] = columns["rate"] + math.log(self.classes) - q.entropy()
        return columns
