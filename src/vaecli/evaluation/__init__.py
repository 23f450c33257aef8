"""What a trained model gives and how good it is: functions of a model and images.

Other rooms take the functions of each module, `means.RunningMeans` and `embeddings.Embeddings`.
Nothing here reads a run directory, makes a picture or prints. A file takes only from those named
before it: `batches`, `means`, `bounds`, `embeddings`, `latent_density`, `decoding`, `projection`,
`classification`.
"""
