"""Schedules of the learning rate."""

import math


def factor(schedule: str, warmup: float, part: float) -> float:
    """What the learning rate is multiplied by when this part of the training, 0 to 1, is done.

    References:
        SGDR: Stochastic Gradient Descent with Warm Restarts (Loshchilov & Hutter, 2017),
            https://arxiv.org/abs/1608.03983, for the cosine
        Accurate, Large Minibatch SGD (Goyal et al., 2017), https://arxiv.org/abs/1706.02677, for
            the warm-up
    """
    grown = min(1.0, part / warmup) if warmup else 1.0
    cosine = (1 + math.cos(math.pi * part)) / 2
    return grown * {"constant": 1.0, "linear": 1 - part, "cosine": cosine}[schedule]
