"""Losses, likelihoods, samples and latents of a trained model: functions of a model and images.

Other packages use the functions of each module, `means.RunningMeans` and `embeddings.Embeddings`.
Nothing here reads a run directory, makes a picture or prints. A module imports only from those
listed before it: `batches`, `means`, `bounds`, `embeddings`, `fitting`, `decoding`, `projection`,
`prior_density`, `classification`, `features`, `intervals`, `sample_metrics`, `samples`.
"""
