"""The default of every option: the recipe of the seed report. Plain constants, imports nothing."""

PRESET = "vae"
POSTERIOR = "gaussian"
PRIOR = "normal"
LIKELIHOOD = "bernoulli"
OBJECTIVE = "elbo"
NETWORK = "mlp:width=400,depth=2,activation=relu,norm=none,bias=zero"
LATENT_DIM = 20

DATA = "mnist"

EPOCHS = 50
BATCH_SIZE = 128  # images
LR = 1e-3
OPTIMIZER = "adam"
SEED = 0
DEVICE = "auto"

SAMPLE_EVERY = 1  # epochs

RUNS = "runs"  # the folder that run directories are made in
SAMPLES = 64  # images in a grid of samples
RECONSTRUCTIONS = 8  # images that are reconstructed
