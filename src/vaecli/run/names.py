"""What the files and folders inside a run directory are called."""

CONFIG, RECORD, LOSSES, LOG, LOCK = "config.json", "run.json", "losses.csv", "train.log", ".lock"
CHECKPOINTS, EPOCHS = "checkpoints", "samples"  # folders
CHECKPOINT, BEST = f"{CHECKPOINTS}/last.safetensors", f"{CHECKPOINTS}/best.safetensors"
EPOCH_CHECKPOINT, EPOCH_SAMPLES = "checkpoints/epoch-{:04d}.safetensors", "samples/epoch-{:04d}.png"
DATA_PICTURE, SAMPLES, REAL_AND_GENERATED = "data.png", "samples.png", "real-and-generated.png"
RECONSTRUCTIONS, EMBEDDINGS, LOSS_PLOT = "reconstructions.png", "embeddings.npz", "loss.png"

ALL = {CONFIG, RECORD, LOSSES, LOG, LOCK, CHECKPOINTS, EPOCHS, CHECKPOINT, BEST}
ALL |= {DATA_PICTURE, SAMPLES, REAL_AND_GENERATED, RECONSTRUCTIONS, EMBEDDINGS, LOSS_PLOT}
# The others that vaecli writes.
PATTERN = r"(samples|checkpoints)/epoch-\d{4,}\.(png|safetensors)|(.*/)?\.tmp-[0-9a-f]+"
