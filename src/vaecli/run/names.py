"""Names of the files and folders in a run directory."""

CONFIG = "config.json"
RECORD = "run.json"
LOSSES = "losses.csv"
LOG = "train.log"
LOCK = ".lock"

CHECKPOINTS = "checkpoints"  # a folder
CHECKPOINT = f"{CHECKPOINTS}/last.safetensors"
BEST = f"{CHECKPOINTS}/best.safetensors"
EPOCH_CHECKPOINT = "checkpoints/epoch-{:04d}.safetensors"
EPOCH_CHECKPOINTS = "epoch-*.safetensors"  # in the folder of checkpoints

EPOCHS = "samples"  # a folder
EPOCH_SAMPLES = "samples/epoch-{:04d}.png"

DATA_PICTURE = "data.png"
SAMPLES = "samples.png"
REAL_AND_GENERATED = "real-and-generated.png"
RECONSTRUCTIONS = "reconstructions.png"
EMBEDDINGS = "embeddings.npz"
LOSS_PLOT = "loss.png"
EXPORT = "export"  # a folder

ALL = {
    CONFIG,
    RECORD,
    LOSSES,
    LOG,
    LOCK,
    CHECKPOINTS,
    CHECKPOINT,
    BEST,
    EPOCHS,
    DATA_PICTURE,
    SAMPLES,
    REAL_AND_GENERATED,
    RECONSTRUCTIONS,
    EMBEDDINGS,
    LOSS_PLOT,
}
FOLDERS = (CHECKPOINTS, EPOCHS)
# What is in a run directory before its first checkpoint, beside the folders and the lock.
BEFORE_TRAINING = (LOG, LOSSES, DATA_PICTURE, CONFIG, RECORD)
# Further files that vaecli writes, as a regular expression.
PATTERN = (
    r"(samples|checkpoints)/epoch-\d{4,}\.(png|safetensors)|(.*/)?\.tmp-[0-9a-f]{8}"
    r"|export(/(encoder|decoder|scorer|sampler|classifier)\.(onnx|pt2))?"
    r"|export/(model\.safetensors|README\.md|samples\.png|loss\.png)"
)

# Prefixes of the tensors that evaluation reads; the best checkpoint holds no others.
WEIGHTS = ("model.", "objective.")
FITTED_PRIOR = "fitted_prior."  # prefix of the tensors that the second stage adds to a checkpoint
