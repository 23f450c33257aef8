"""What several processes do together is what one process does with all rows, gradients too.

Three processes go through `measure` once; in each of them a law is the largest difference from what
one process computes, which they compute as well.
"""

from collections.abc import Callable
from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from tests.together import run_together
from vaecli.system import processes

COUNT = 3
WHOLE = torch.randn(7, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
WEIGHT = torch.randn(4, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
ROWS = (7, 2, 1)  # of a batch: 3, 2 and 2 of them; one each and a spare one; two spare ones


def normalized(z: Tensor) -> Tensor:
    """Rows, centred over the whole batch and divided by its variance, as in batch norm."""
    n = processes.batch_rows(len(z))
    centred = z - processes.sum_rows(z) / n
    return centred / (processes.sum_rows(centred.square()) / n + 0.1)


def covariance_penalty(x: Tensor, w: Tensor) -> Tensor:
    """A term that couples the rows of a batch, the same in every process, plus one that does not.

    Returns:
        The mean over the rows of this process, shape `()`.
    """
    z = (x @ w).tanh()
    gathered = processes.gather(z)
    coupled = (gathered.T @ gathered / len(gathered)).square().sum() + gathered.var(
        0, correction=0
    ).sum()
    return (z.square().sum(-1) + coupled + normalized(z).exp().sum(-1)).mean()


def gradient_penalty(x: Tensor, w: Tensor) -> Tensor:
    """The squared gradient of a sum over rows, which read the others: its gradient is a second one.

    Every process adds its rows to the sum: a term that all compute alike would count three times.
    """
    x = x.clone().requires_grad_()
    z = (x @ w).tanh()
    score = normalized(z).exp().sum() + (z @ processes.gather(z).T).pow(3).sum()
    (gradient,) = torch.autograd.grad(score, x, create_graph=True)
    return gradient.square().sum(-1).mean()


def gradient(
    loss: Callable[[Tensor, Tensor], Tensor], x: Tensor, weight: float = 1
) -> list[Tensor]:
    """The value of a loss and its gradient in the weights."""
    w = WEIGHT.clone().requires_grad_()
    value = loss(x, w) * weight
    value.backward()
    assert w.grad is not None
    return [value.detach(), w.grad]


def noise(rows: int) -> Tensor:
    """Noise of two samples of every row; the generator starts anew."""
    torch.manual_seed(3)
    return processes.draw(torch.randn, (2, rows, 5), 1)


def largest(found: Tensor, expected: Tensor) -> float:
    """The largest difference, relative to the largest number if this is above 1."""
    assert found.shape == expected.shape
    return float((found - expected).abs().max() / expected.abs().max().clamp(min=1))


def of_a_batch(total: int) -> dict[str, float]:
    """The laws of a batch with this number of rows."""
    whole = WHOLE[:total]
    index = torch.tensor([total - 1, 0, 0, total // 2])
    several = whole.repeat_interleave(2, 0)  # two vectors of each row
    found = {}
    sums = []
    for loss in (covariance_penalty, gradient_penalty):
        with processes.share_batch(total) as share:
            sums.append(gradient(loss, whole[share.rows], share.weight))
    with processes.share_batch(total) as share:
        own = whole[share.rows]
        pairs = own.repeat_interleave(2, 0)
        found["gather"] = largest(processes.gather(own), whole)
        found["own rows"] = largest(processes.own_rows(whole), own)
        found["sum of rows"] = largest(processes.sum_rows(own), whole.sum(0))
        found["rows at"] = largest(processes.rows_at(own, index), whole[index])
        found["rows at, two of each"] = largest(
            processes.rows_at(pairs, 2 * index), several[2 * index]
        )
        found["rows"] = abs(processes.batch_rows(len(pairs)) - len(several))
        drawn = noise(len(own))
        torch.manual_seed(3)
        other = processes.draw(torch.randn, (2, len(own) + 1, 5), 1)
        with processes.compute_alike():
            found["alike"] = largest(processes.gather(own), own)
            found["alike, noise"] = largest(noise(len(own)), torch_noise(len(own)))
    found["noise"] = largest(drawn, torch_noise(total)[:, share.rows])
    found["noise of another shape"] = largest(other, torch_noise(len(own) + 1))
    for loss, together in zip((covariance_penalty, gradient_penalty), sums, strict=True):
        processes.sum_tensors(together)
        for name, a, b in zip(("value", "gradient"), together, gradient(loss, whole), strict=True):
            found[f"{name} of {loss.__name__}"] = largest(a, b)
    return found


def torch_noise(rows: int) -> Tensor:
    torch.manual_seed(3)
    return torch.randn(2, rows, 5)


def of_other_rows(total: int) -> dict[str, float]:
    """The laws of row n, repeated n + 1 times, in a batch with this number of rows."""
    times = torch.arange(total) + 1
    whole = WHOLE[:total].repeat_interleave(times, 0)
    with processes.share_batch(total) as share:
        own = WHOLE[share.rows].repeat_interleave(times[share.rows], 0)
        with processes.other_rows(len(own)):
            found = {
                "gather": largest(processes.gather(own), whole),
                "own rows": largest(processes.own_rows(whole), own),
                "sum of rows": largest(processes.sum_rows(own), whole.sum(0)),
                "rows": abs(processes.batch_rows(len(own)) - len(whole)),
            }
            drawn = noise(len(own))
            places = processes.own_rows(torch.arange(len(whole)))
    return {**found, "noise": largest(drawn, torch_noise(len(whole))[:, places])}


def of_tensors(rank: int) -> dict[str, float]:
    """The laws of sums and values that have nothing to do with a batch."""
    tensors = [
        torch.full((2, 3), 1.5 * rank).T,
        torch.full((), float(rank), dtype=torch.float32),
        torch.full((4,), 2**40 + rank),
        torch.arange(6.0).view(2, 3)[:, 1],
    ]
    processes.sum_tensors(tensors)
    expected = [torch.full((3, 2), 4.5), torch.tensor(3.0), torch.full((4,), 3 * 2**40 + 3)]
    expected.append(torch.tensor([3.0, 12.0]))
    return {
        "sums": max(largest(a, b) for a, b in zip(tensors, expected, strict=True)),
        "agreed": float(not processes.agree(rank == 1)) + float(processes.agree(False)),
        "value of process 0": float(processes.broadcast({"rank": rank}) != {"rank": 0}),
        "rank": abs(processes.rank() - rank) + abs(processes.count() - COUNT),
        "first": float(processes.is_first() != (rank == 0)),
    }


def measure(_: object, rank: int, connect: Callable[[], None]) -> dict[str, float]:
    connect()
    laws = of_tensors(rank)
    for total in ROWS:
        for name, difference in of_a_batch(total).items():
            laws[f"{name} in a batch of {total}"] = difference
        for name, difference in of_other_rows(total).items():
            laws[f"{name} in other rows of a batch of {total}"] = difference
    return laws


@pytest.mark.slow
def test_three_processes_compute_what_one_does(tmp_path):
    for laws in run_together(f"{__name__}:measure", COUNT, tmp_path):
        assert {name: value for name, value in laws.items() if not value < 1e-12} == {}
        assert len(laws) > 50


def test_a_process_that_is_alone_gets_back_what_it_gave():
    x = WHOLE.clone()
    with processes.share_batch(len(x)) as share:
        assert (share.rows, share.weight, share.is_whole) == (slice(0, 7), 1, True)
        with processes.other_rows(3), processes.compute_alike():
            assert processes.gather(x) is processes.own_rows(x) is x
            assert processes.batch_rows(14) == 14
            assert torch.equal(processes.draw(torch.ones, (3, 7), 1), torch.ones(3, 7))
            assert torch.equal(processes.sum_rows(x), x.sum(0))
            assert torch.equal(processes.rows_at(x, torch.tensor([2, 0])), x[[2, 0]])
    processes.sum_tensors([x])
    assert torch.equal(x, WHOLE)
    assert processes.broadcast(x) is x
    assert processes.agree(True)
    assert not processes.agree(False)
    assert (processes.rank(), processes.count(), processes.is_first()) == (0, 1, True)


@given(st.integers(1, 300), st.integers(1, 64))
def test_the_rows_of_a_batch_are_cut_evenly_and_without_gaps(total, count):
    shares = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(processes, "count", lambda: count)
        for rank in range(count):
            patch.setattr(processes, "rank", lambda rank=rank: rank)
            with processes.share_batch(total) as share:
                shares.append(share)
    assert sum(share.weight for share in shares) == pytest.approx(1)
    used = [share for share in shares if not share.is_spare]
    assert (used[0].start, used[-1].stop) == (0, total)
    assert all(a.stop == b.start for a, b in pairwise(used))
    sizes = [share.stop - share.start for share in used]
    assert max(sizes) - min(sizes) <= 1
    assert len(used) == min(count, total)
    assert all(s.rows == slice(0, 1) and s.weight == 0 for s in shares if s.is_spare)
