"""A chainrule model trained by PyTorch's DistributedDataParallel: two processes here, on a cluster as many as you like.

`to_torch` makes the model PyTorch's, with the same names, outputs and gradients, so that all of PyTorch's own tools for
GPUs and clusters take it. The result comes back by `load_state_dict`. For GPUs: backend "nccl", and `.to(rank)`.
"""

import tempfile
from pathlib import Path

import numpy as np
import torch
from torch import distributed, multiprocessing
from torch.nn.parallel import DistributedDataParallel

import chainrule as cr
from chainrule import nn
from chainrule.interop.torch import load_state_dict, to_torch

PROCESSES, STEPS = 2, 150


def data():
    """256 points and the sine of their distance from the origin."""
    x = np.random.default_rng(0).uniform(-2, 2, (256, 2)).astype(np.float32)
    return x, np.sin(np.hypot(x[:, :1], x[:, 1:]))


def new_model():
    cr.seed(0)
    return nn.Sequential(nn.Linear(2, 32), nn.Tanh(), nn.Linear(32, 1))


def train(rank, folder):
    """What each process does: its part of the data, and gradients averaged over all processes."""
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=f"file://{folder}/rendezvous", rank=rank, world_size=PROCESSES)
    model = DistributedDataParallel(to_torch(new_model()))
    x, y = (torch.from_numpy(part[rank::PROCESSES]) for part in data())
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    for step in range(STEPS):
        optimizer.zero_grad()
        torch.nn.functional.mse_loss(model(x), y).backward()
        if step == 0 and rank == 0:
            torch.save({name: p.grad for name, p in model.module.named_parameters()}, f"{folder}/gradients.pt")
        optimizer.step()
    if rank == 0:
        torch.save(model.module.state_dict(), f"{folder}/state.pt")
    distributed.barrier()  # a process that leaves while another still waits would end it
    distributed.destroy_process_group()


def main():
    x, y = data()
    model, loss = new_model(), nn.MSELoss()
    before = loss(model(x), y)
    before.backward()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        multiprocessing.spawn(train, (name,), nprocs=PROCESSES)
        gradients, state = torch.load(folder / "gradients.pt"), torch.load(folder / "state.pt")

    # The mean over the processes is chainrule's gradient on all of the data.
    assert np.allclose(gradients["0.weight"].T, model[0].weight.grad.numpy(), atol=1e-6)

    load_state_dict(model, state)
    after = loss(model(x), y)
    print(f"loss {before.item():.4f} before, {after.item():.4f} after {STEPS} steps in {PROCESSES} processes")
    assert after.item() < 0.05


if __name__ == "__main__":
    main()
