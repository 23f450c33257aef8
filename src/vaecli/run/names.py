"""What the files and folders inside a run directory are called."""

CONFIG, RECORD, LOSSES, LOG, LOCK = "config.json", "run.json", "losses.csv", "train.log", ".lock"
CHECKPOINTS, EPOCHS = "checkpoints", "samples"  # folders
CHECKPOINT, EPOCH_SAMPLES = f"{CHECKPOINTS}/last.safetensors", f"{EPOCHS}/epoch-{{:04d}}.png"
DATA_PICTURE, SAMPLES, REAL_AND_GENERATED = "data.png", "samples.png", "real-and-generated.png"
RECONSTRUCTIONS, EMBEDDINGS, LOSS_PLOT = "reconstructions.png", "embeddings.npz", "loss.png"

ALL = {CONFIG, RECORD, LOSSES, LOG, LOCK, CHECKPOINTS, EPOCHS, CHECKPOINT}
ALL |= {DATA_PICTURE, SAMPLES, REAL_AND_GENERATED, RECONSTRUCTIONS, EMBEDDINGS, LOSS_PLOT}
PATTERN = rf"{EPOCHS}/epoch-\d{{4,}}\.png|(.*/)?\.tmp-[0-9a-f]+"  # the others that vaecli writes
