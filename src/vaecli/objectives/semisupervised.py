"""Semi-supervised learning: an objective with a classifier, for few labels."""

import math
from typing import Annotated

import torch
from annotated_types import Gt
from torch import Tensor
from torch.distributions import Categorical
from torch.nn.functional import cross_entropy, one_hot

from ..model import VAE
from ..parts.encoder_decoder import EncoderWithHead
from ..parts.networks import Network
from ..system import processes
from ..system.errors import ConfigError
from .objective import END_OF_TRAINING, Context, LossTerms, Objective


class M2(Objective):
    """Semi-supervised VAE: a classifier weights the possible labels of an unlabelled image.

    The label y is a second latent, with a uniform prior and the classifier q(y | x) as its
    posterior: its rate is log(classes) minus the entropy of q. For a known label q is a point mass,
    and the paper's bound U(x) becomes its L(x, y). Training adds alpha times the cross entropy of
    the known labels. Evaluation treats every image as unlabelled: the loss is then U alone, a bound
    on `-log p(x)`.

    Logs classification_error, the fraction of labelled images that the classifier gets wrong.

    References:
        Semi-Supervised Learning with Deep Generative Models (Kingma et al., 2014),
            https://arxiv.org/abs/1406.5298

    Args:
        alpha: Weight of the cross entropy, a mean over the labelled images of a batch, against the
            bound, a mean over all images. The paper's weight is 0.1 in these terms (its bound is a
            sum over all N images, its mean cross entropy has the factor 0.1 N), with far more
            epochs. Where labels are hidden, up to as many labelled images are added to a batch as
            it has: then the unlabelled half of the bound counts half, and 50 is 1000 times the
            paper's ratio.
    """

    def __init__(
        self,
        network: Network,
        shape: tuple[int, ...],
        classes: int,
        context_dim: int,
        alpha: Annotated[float, Gt(0)] = 50.0,
    ) -> None:
        super().__init__()
        if not context_dim:
            raise ConfigError("The m2 objective needs a conditional model: add conditional=True.")
        self.reads_labels = True
        self.infers_label = True
        self.alpha = alpha
        self.classes = classes
        self.classifier = EncoderWithHead(network.encoder(shape, 0), classes)  # logits of q(y | x)

    def forward(
        self, model: VAE, x: Tensor, c: Context = None, epoch: float = END_OF_TRAINING
    ) -> LossTerms:
        if c is not None:
            c = model.used_context(c)  # a split may lack images of the last classes
        if c is None:
            c = x.new_zeros(len(x), self.classes)
        logits, _ = self.classifier(x)
        used_labels = c if model.training else torch.zeros_like(c)
        terms = self.bound(model, x, logits, used_labels)
        loss = torch.stack(tuple(terms.values())).sum(0).mean()
        labelled = c.any(-1)
        count = processes.sum_rows(labelled).clamp(min=1)
        if model.training:
            cross_entropies = cross_entropy(logits, c, reduction="sum").unsqueeze(0)
            loss = loss + self.alpha * processes.sum_rows(cross_entropies) / count
        wrong = labelled & (logits.argmax(-1) != c.argmax(-1))
        metrics = {"loss": loss} | {name: term.mean() for name, term in terms.items()}
        metrics["classification_error"] = processes.sum_rows(wrong) / count
        return LossTerms(loss, {name: metric.detach() for name, metric in metrics.items()})

    def bound(self, model: VAE, x: Tensor, logits: Tensor, c: Tensor) -> dict[str, Tensor]:
        """The terms of the negative bound for the joint latent (y, z), each of shape `(B,)`.

        Args:
            model: A conditional model.
            x: Images, shape `(B, C, H, W)`.
            logits: Outputs of the classifier, shape `(B, classes)`.
            c: Labels, one-hot, shape `(B, classes)`; a row of zeros is an unknown label, over which
                the terms are averaged with the weights q(y | x).
        """
        known = c.any(-1, keepdim=True)
        q = Categorical(logits=torch.where(known, c.log(), logits), validate_args=False)
        possible = c.bool() | ~known  # pairs of an image and a label to decode: (B, classes)
        image, label = possible.nonzero(as_tuple=True)
        with processes.other_rows(len(image)):
            draw = model.draw(x[image], one_hot(label, self.classes).to(x.dtype))
            per_pair = draw.elbo_terms()
        if draw.vq_loss is not None:
            per_pair["vq_loss"] = draw.vq_loss
        terms = {
            name: (q.probs * torch.zeros_like(c).masked_scatter(possible, term)).sum(-1)
            for name, term in per_pair.items()
        }
        terms["rate"] = terms["rate"] + math.log(self.classes) - q.entropy()
        return terms
