"""Epochs of pythae's trainer, one for every line of stdin: run by `speed`, in an environment of it.

python pythae_epochs.py LAYERS IMAGES BATCH_SIZE

Says when it is ready, and answers with the seconds of an epoch and the test loss in nats.
"""

import logging
import sys
import tempfile
import time
from pathlib import Path

import torch
from pythae.data.preprocessors import DataProcessor
from pythae.models import VAE, VAEConfig
from pythae.models.base.base_utils import ModelOutput
from pythae.models.nn import BaseDecoder, BaseEncoder
from pythae.trainers import BaseTrainer, BaseTrainerConfig
from torch import nn

sys.path.insert(0, str(Path(__file__).parents[2] / "src"))
from vaecli.data.readers import idx
from vaecli.data.readers.named import BUNDLED_MNIST


class Encoder(BaseEncoder):  # type: ignore[misc]
    """784, hidden layers of 400, and two layers of 20."""

    def __init__(self, layers: int) -> None:
        super().__init__()
        self.hidden = nn.Sequential(nn.Linear(784, 400), nn.ReLU(), *more(layers))
        self.mean, self.log_var = nn.Linear(400, 20), nn.Linear(400, 20)

    def forward(self, x: torch.Tensor) -> ModelOutput:
        h = self.hidden(x.flatten(1))
        return ModelOutput(embedding=self.mean(h), log_covariance=self.log_var(h))


class Decoder(BaseDecoder):  # type: ignore[misc]
    """20, hidden layers of 400, 784 and a sigmoid, as pythae's loss wants it."""

    def __init__(self, layers: int) -> None:
        super().__init__()
        self.hidden = nn.Sequential(nn.Linear(20, 400), nn.ReLU(), *more(layers))
        self.pixels = nn.Linear(400, 784)

    def forward(self, z: torch.Tensor) -> ModelOutput:
        x = self.pixels(self.hidden(z)).sigmoid()
        return ModelOutput(reconstruction=x.unflatten(1, (1, 28, 28)))


def more(layers: int) -> list[nn.Module]:
    """The hidden layers after the first."""
    return [m for _ in range(layers - 1) for m in (nn.Linear(400, 400), nn.ReLU())]


logging.disable(logging.INFO)
layers, images, batch_size = map(int, sys.argv[1:])
x, test = (
    idx.read_split(BUNDLED_MNIST, split)[0].unsqueeze(1).float() / 255
    for split in ("train", "test")
)
config = VAEConfig(input_dim=(1, 28, 28), latent_dim=20, reconstruction_loss="bce")
training = BaseTrainerConfig(
    output_dir=tempfile.mkdtemp(),
    learning_rate=1e-3,
    per_device_train_batch_size=batch_size,
    num_epochs=1,
)
processor = DataProcessor()
dataset = processor.to_dataset(processor.process_data(x[:images]))
trainer = BaseTrainer(
    VAE(config, Encoder(layers), Decoder(layers)), dataset, training_config=training, callbacks=[]
)
trainer.prepare_training()
print("ready", flush=True)
for epoch, _ in enumerate(sys.stdin, start=1):
    began = time.perf_counter()
    trainer.train_step(epoch)
    seconds = time.perf_counter() - began
    with torch.no_grad():
        loss = trainer.model.eval()({"data": test}).loss.item()
    print(seconds, loss, flush=True)
