"""Learning-rate schedules."""

import math


def lr_multiplier(schedule: str, warmup: float, progress: float) -> float:
    """Factor that multiplies the learning rate at some progress of training.

    References:
        SGDR: Stochastic Gradient Descent with Warm Restarts (Loshchilov & Hutter, 2017),
            https://arxiv.org/abs/1608.03983, for the cosine
        Accurate, Large Minibatch SGD: Training ImageNet in 1 Hour (Goyal et al., 2017),
            https://arxiv.org/abs/1706.02677, for the warm-up

    Args:
        schedule: constant, linear or cosine; linear and cosine end at 0.
        warmup: Fraction of training in which the learning rate rises from 0.
        progress: Fraction of training that is done, 0 to 1.
    """
    rise = 1.0
    if warmup:
        rise = min(1.0, progress / warmup)
    decay = {
        "constant": 1.0,
        "linear": 1 - progress,
        "cosine": (1 + math.cos(math.pi * progress)) / 2,
    }
    return rise * decay[schedule]
