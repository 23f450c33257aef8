"""Reconstructions of held-out colour images: latents as a vector against latents as a map.

    python -m tests.benchmarks.colour DATA [--seconds 240] [--sets icons] [--out colour.csv]

DATA has icons.npz and photographs.npz, which tests.benchmarks.colour_data writes. The map is the
preset conv-map; the vector has as many latents, the same likelihood, optimizer and schedule, and
the depth, width and learning rate that were the best of a search; the short one has a quarter of
the latents, with which it learns faster. All train for the same processor time on one thread, so
that other work on the machine does not count.

    psnr            dB of the reconstruction (posterior mean, decoded), mean over test images
    ssim            structural similarity (Gaussian window, as Wang et al. 2004), likewise
    low, high       95 % intervals by bootstrap over the names of icons, or the photographs:
                    images of the same name, and crops of one photograph, are not independent

Writes beside the CSV a picture for each data set: test images, and below each of them the
reconstructions from map and vectors. The last lines are differences, with the same bootstrap.
"""

import argparse
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch

torch.set_flush_denormal(True)

from PIL import Image  # noqa: E402
from skimage.metrics import structural_similarity  # noqa: E402

import vaecli  # noqa: E402
from tests.benchmarks import write_csv  # noqa: E402
from vaecli.config.presets import config_from_layers  # noqa: E402
from vaecli.training.runtime import keep_freed_memory  # noqa: E402
from vaecli.training.state import State  # noqa: E402

SETS = ("icons", "photographs")
PRESET = config_from_layers({"preset": "conv-map"})
VECTOR = {
    "network": "conv:depth=3,width=16,activation=silu,upsampling=shuffle,output_bias=data",
    "lr": 2e-3,
}
CONTENDERS: dict[str, dict[str, object]] = {
    "map": {},
    "vector": {**VECTOR, "latent_dim": 1024},
    "short vector": {**VECTOR, "latent_dim": 256},
}
TIMED_STEPS, WARM_STEPS = 20, 5
SHOWN, DRAWS = 16, 10_000


def load(path: Path) -> tuple[vaecli.Images, vaecli.Images, np.ndarray]:
    """Images to train, images to test, and the name of each of the latter."""
    with np.load(path) as arrays:
        splits = [torch.from_numpy(arrays[split]) for split in ("train", "test")]
        # the order of the file is that of names
        order = torch.randperm(len(splits[0]), generator=torch.Generator().manual_seed(0))
        splits[0] = splits[0][order]
        train, test = (vaecli.Images(x, torch.zeros(len(x), dtype=torch.uint8)) for x in splits)
        return train, test, arrays["name"]


def seconds_per_step(config: vaecli.Config, train: vaecli.Images) -> float:
    """Processor time of a batch, without the first ones."""
    events = vaecli.fit(vaecli.start(config, train), train, train.first(1))
    for _ in range(WARM_STEPS):
        next(events)
    started = time.process_time()
    for _ in range(TIMED_STEPS):
        next(events)
    return (time.process_time() - started) / TIMED_STEPS


def trained(config: vaecli.Config, train: vaecli.Images, seconds: float) -> State:
    """The state after as many whole epochs as fit best into the processor time."""
    batches = -(-len(train) // config.batch_size)
    epochs = max(1, round(seconds / seconds_per_step(config, train) / batches))
    state = vaecli.start(config.with_values(epochs=epochs), train)
    for _ in vaecli.fit(state, train, train.first(1)):
        pass
    return state


@torch.inference_mode()
def reconstructions(model: vaecli.VAE, images: vaecli.Images) -> np.ndarray:
    """Grey levels, shape (N, C, H, W), uint8: what a picture file would show."""
    model.eval()
    parts = torch.arange(len(images)).split(256)
    decoded = torch.cat([model.reconstruct(images.pixels(part)) for part in parts])
    return (decoded.clamp(0, 1) * 255).round().byte().numpy()


def scores(images: np.ndarray, others: np.ndarray) -> dict[str, np.ndarray]:
    """PSNR in dB and SSIM of each image, shape (N,)."""
    errors = ((images.astype(np.float32) - others) ** 2).mean((1, 2, 3))
    # at most one grey level in one place of a 64x64 image can be less than this
    psnr = 10 * np.log10(255**2 / errors.clip(min=1e-4))
    ssim = [
        structural_similarity(
            a, b, channel_axis=0, data_range=255, gaussian_weights=True, use_sample_covariance=False
        )
        for a, b in zip(images, others, strict=True)
    ]
    return {"psnr": psnr, "ssim": np.array(ssim)}


def interval(values: np.ndarray, names: np.ndarray) -> tuple[float, float]:
    """95 % interval of the mean, by bootstrap over the names."""
    _, group = np.unique(names, return_inverse=True)
    sums, counts = np.bincount(group, values), np.bincount(group)
    drawn = np.random.default_rng(0).integers(0, len(counts), (DRAWS, len(counts)))
    means = sums[drawn].sum(1) / counts[drawn].sum(1)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


def save_picture(path: Path, rows: Sequence[np.ndarray]) -> None:
    """Images of shape (N, C, H, W), N side by side in a row, each twice as large."""
    joined = np.concatenate([np.concatenate(list(row), axis=2) for row in rows], axis=1)
    picture = Image.fromarray(joined.transpose(1, 2, 0))
    picture.resize((picture.width * 2, picture.height * 2), Image.Resampling.NEAREST).save(path)


def compare(name: str, options: argparse.Namespace) -> Iterator[dict[str, object]]:
    """A row for each contender on a data set; saves the picture and prints the differences."""
    train, test, groups = load(options.data / f"{name}.npz")
    pixels = test.x.numpy()
    shown = np.linspace(0, len(test) - 1, SHOWN).astype(int)
    picture, found = [pixels[shown]], {}
    for latents, its in CONTENDERS.items():
        started = time.process_time()
        state = trained(PRESET.with_values(**its), train, options.seconds)
        seconds = time.process_time() - started
        decoded = reconstructions(state.model, test)
        picture.append(decoded[shown])
        found[latents] = scores(pixels, decoded)
        row = {"data": name, "latents": latents, "number": state.config.latent_dim}
        row |= {
            "weights": state.parameters,
            "seconds": round(seconds),
            "epochs": len(state.history),
        }
        for score, values in found[latents].items():
            low, high = interval(values, groups)
            row |= {score: round(float(values.mean()), 4)}
            row |= {f"{score}_low": round(low, 4), f"{score}_high": round(high, 4)}
        print(row, flush=True)
        yield row
    for other in list(found)[1:]:
        for score, values in found["map"].items():
            gain = values - found[other][score]
            low, high = interval(gain, groups)
            print(f"{name}, {score}: map - {other} {gain.mean():.3f} ({low:.3f} to {high:.3f})")
    save_picture(options.out.with_name(f"{options.out.stem}-{name}.png"), picture)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--seconds", type=float, default=240)
    parser.add_argument("--sets", nargs="+", choices=SETS, default=SETS)
    parser.add_argument("--out", type=Path, default=Path("colour.csv"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    keep_freed_memory()
    write_csv(options.out, [row for name in options.sets for row in compare(name, options)])


if __name__ == "__main__":
    main()
