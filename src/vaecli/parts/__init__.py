"""The parts of a model: posteriors, priors, likelihoods, networks; and the optimizers."""
