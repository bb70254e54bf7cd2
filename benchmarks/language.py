"""The language model of `chainrule train book.txt`, here and in PyTorch: a step's time, and the loss that is reached.

    python benchmarks/language.py TEXT [--rounds N] [--train] [--threads N | --processor]

Both have the same weights at the start and get the same batches of the text; float32, AdamW with the same settings,
the gradient's norm clipped to 1. Before anything is timed, a few steps of both are compared. They take turns, and the
ratio of the medians is printed: PyTorch runs eagerly, with its fused attention and optimiser. `--train` then trains
ours as the command line does and prints the held-out loss after each epoch and the seconds.
"""

import argparse
import os
import sys
import time
from itertools import islice
from pathlib import Path
from typing import Any

ARGUMENTS = argparse.ArgumentParser(description="A language model's step here and in PyTorch.")
ARGUMENTS.add_argument("text", help="a text file")
ARGUMENTS.add_argument("--rounds", type=int, default=30)
ARGUMENTS.add_argument("--train", action="store_true")
ARGUMENTS.add_argument("--threads", default="2")
ARGUMENTS.add_argument("--processor", action="store_true", help="the processor's time, for a busy machine; one thread")
GIVEN = ARGUMENTS.parse_args()
if GIVEN.processor:
    GIVEN.threads = "1"  # waiting for each other, threads would use the processor as well
# Read when the libraries are loaded, so before the imports below.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[_name] = GIVEN.threads

import numpy as np  # noqa: E402
import torch  # noqa: E402
from timing import alternate, machine, table  # noqa: E402
from torch.nn import functional as F  # noqa: E402

import chainrule as cr  # noqa: E402
from chainrule import optim  # noqa: E402
from chainrule.jobs.training.kinds import kind_of  # noqa: E402
from chainrule.jobs.training.language import LanguageJob  # noqa: E402
from chainrule.jobs.training.options import Options  # noqa: E402
from chainrule.train import Callback  # noqa: E402

COMPARED, TOLERANCE = 3, 1e-3
"""How many steps are compared, and how far the losses may be apart."""
BATCHES = 16


class Block(torch.nn.Module):
    """`nn.TransformerBlock` of chainrule, with one layer for queries, keys and values."""

    def __init__(self, d: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = torch.nn.LayerNorm(d), torch.nn.LayerNorm(d)
        self.all, self.output = torch.nn.Linear(d, 3 * d), torch.nn.Linear(d, d)
        self.up, self.down = torch.nn.Linear(d, 4 * d), torch.nn.Linear(4 * d, d)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return what comes of `x`."""
        parts = (p.unflatten(-1, (self.heads, -1)).transpose(1, 2) for p in self.all(self.norm1(x)).chunk(3, -1))
        y = F.scaled_dot_product_attention(*parts, is_causal=True)
        x = x + self.output(y.transpose(1, 2).flatten(-2))
        return x + self.down(F.gelu(self.up(self.norm2(x))))

    def take(self, weights: dict[str, Any]) -> None:
        """Take the weights of a block of chainrule."""
        names = ("query", "key", "value")
        for ours, theirs in (("attention.output", self.output), ("mlp.0", self.up), ("mlp.2", self.down)):
            theirs.weight.data = torch.tensor(weights[f"{ours}.weight"].T.copy())
            theirs.bias.data = torch.tensor(weights[f"{ours}.bias"])
        for ours, theirs in (("norm1", self.norm1), ("norm2", self.norm2)):
            theirs.weight.data, theirs.bias.data = (torch.tensor(weights[f"{ours}.{p}"]) for p in ("weight", "bias"))
        joined = np.concatenate([weights[f"attention.{name}.weight"] for name in names], axis=1)
        self.all.weight.data = torch.tensor(joined.T.copy())
        self.all.bias.data = torch.tensor(np.concatenate([weights[f"attention.{name}.bias"] for name in names]))


class Model(torch.nn.Module):
    """`nn.networks.LanguageModel` of chainrule."""

    def __init__(self, job: LanguageJob) -> None:
        super().__init__()
        recipe, weights = job.recipe, {k: np.array(v) for k, v in job.model.state_dict().items()}
        self.tokens = torch.nn.Embedding(len(job.corpus.tokens), recipe.width)
        self.tokens.weight.data = torch.tensor(weights["tokens.weight"])
        self.places = torch.nn.Parameter(torch.tensor(weights["places"]))
        self.blocks = torch.nn.ModuleList([Block(recipe.width, recipe.heads) for _ in range(recipe.layers)])
        for k, block in enumerate(self.blocks):
            start = f"blocks.{k}."
            block.take({name.removeprefix(start): w for name, w in weights.items() if name.startswith(start)})
        self.norm = torch.nn.LayerNorm(recipe.width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the logits."""
        h = self.tokens(x) + self.places[: x.shape[-1]]
        for block in self.blocks:
            h = block(h)
        return F.linear(self.norm(h), self.tokens.weight)


def steps_of_torch(job: LanguageJob, batches: list[tuple[Any, Any]]) -> Any:
    """Return a function that takes PyTorch's next step and returns the loss."""
    torch.set_num_threads(int(GIVEN.threads))
    model, groups = Model(job), []
    for group, is_matrix in zip(job.optimizer.param_groups, (True, False), strict=True):
        chosen = [p for p in model.parameters() if (p.ndim > 1) is is_matrix]
        groups.append({"params": chosen, "weight_decay": group["weight_decay"]})
    optimizer = torch.optim.AdamW(groups, lr=job.recipe.lr, betas=job.optimizer.param_groups[0]["betas"], fused=True)
    stream = iter(())

    def step() -> float:
        nonlocal stream
        pair = next(stream, None)
        if pair is None:
            stream = ((torch.tensor(x), torch.tensor(y)) for x, y in batches)
            pair = next(stream)
        x, y = pair
        optimizer.zero_grad(set_to_none=True)
        loss = F.cross_entropy(model(x).flatten(0, -2), y.flatten())
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        return float(loss.detach())

    return step


def steps_of_chainrule(job: LanguageJob, batches: list[tuple[Any, Any]]) -> Any:
    """Return a function that takes our next step, as `fit` takes it, and returns the loss."""
    model, optimizer, loss = job.model, job.optimizer, job.loss
    for group in optimizer.param_groups:
        group["lr"] = job.recipe.lr  # the schedule begins lower

    @cr.compile
    def whole(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        value = loss(model(x), y)
        value.backward()
        optim.clip_grad_norm_(model.named_parameters(), 1.0)
        optimizer.step()
        return value

    stream = iter(())

    def step() -> float:
        nonlocal stream
        pair = next(stream, None)
        if pair is None:
            stream = iter(batches)
            pair = next(stream)
        return float(whole(*pair))

    return step


class Told(Callback):
    """Prints each epoch's held-out loss, and when it was reached."""

    def __init__(self) -> None:
        self.began = time.perf_counter()

    def on_epoch_end(self, run: Any) -> None:
        """Print the row."""
        row, passed = run.history.last, time.perf_counter() - self.began
        print(f"epoch {row['epoch']}: held out {row['val_loss']:.4f} nats per token after {passed:.0f} s", flush=True)


def job_of() -> LanguageJob:
    """Return the job of the command line, with its defaults."""
    job = kind_of(GIVEN.text, Options(as_="text")).build(GIVEN.text, Options(as_="text"))
    assert isinstance(job, LanguageJob)
    return job


def main() -> None:
    """Compare, time, and train if asked."""
    job = job_of()
    print(*job.said, machine(), f"PyTorch {torch.__version__}", sep="\n")
    batches = list(islice(iter(job.loader), BATCHES))
    candidates = {"PyTorch": steps_of_torch(job, batches), "chainrule": steps_of_chainrule(job, batches)}
    losses = {name: [step() for _ in range(COMPARED)] for name, step in candidates.items()}
    apart = np.abs(np.subtract(*losses.values())).max()
    print(f"losses of the first {COMPARED} steps: {losses}")
    if apart > TOLERANCE:
        sys.exit(f"the losses are {apart:.2g} apart; expected at most {TOLERANCE}")
    clock = time.process_time if GIVEN.processor else time.perf_counter
    times = alternate(candidates, GIVEN.rounds, repeats=1, clock=clock)
    rows = [[name, *(f"{1000 * t:.1f}" for t in found)] for name, found in times.items()]
    print(table(["", "ms, median", "lower quartile", "upper quartile"], rows))
    ratio = times["PyTorch"][0] / times["chainrule"][0]
    print(f"chainrule takes {1 / ratio:.3f} of PyTorch's time: {ratio:.3f} of its speed")
    if GIVEN.train:
        job, began = job_of(), time.perf_counter()
        job.train([Told()])
        print(f"{job.score()} in {time.perf_counter() - began:.0f} s; steps {job.history.compiled}")
        out = Path("language.safetensors")
        job.save(out, job.score())
        print(f"model: {out}")


if __name__ == "__main__":
    main()
