"""`chainrule train digits` as a whole process, against the same job as a PyTorch script.

    python benchmarks/train_job.py [--rounds N]

Both load the digits, split and scale them, train 64-256-128-10 with dropout by AdamW, clipping and a cosine for 56
epochs of batches of 32, measure the held-out part after each epoch, draw curves and confusion matrix, and save the
model. chainrule checks its gradients first and writes an HTML report. The processes take turns; timed are seconds on
the clock and of the processor, from start to exit. Ours runs with its caches empty, and with what a run has left there.
"""

import argparse
import os
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from timing import environment, machine, table

PEER = """
import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import matplotlib
matplotlib.use("svg")
import matplotlib.pyplot as plt

torch.manual_seed(0)
torch.set_num_threads(1)
x, y = load_digits(return_X_y=True)
x, x_held, y, y_held = train_test_split(x, y, test_size=0.2, random_state=0, stratify=y)
mean, scale = x.mean(), x.std()
x, x_held = (torch.tensor((part - mean) / scale, dtype=torch.float32) for part in (x, x_held))
y, y_held = torch.tensor(y), torch.tensor(y_held)
loader = DataLoader(TensorDataset(x, y), batch_size=32, shuffle=True)
model = nn.Sequential(
    nn.Linear(64, 256), nn.ReLU(), nn.Dropout(0.3),
    nn.Linear(256, 128), nn.ReLU(), nn.Dropout(0.3),
    nn.Linear(128, 10),
)
loss_of = nn.CrossEntropyLoss()
optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.01)
schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 56)
curves = []
for epoch in range(56):
    model.train()
    total = right = 0
    for batch, labels in loader:
        optimizer.zero_grad()
        scores = model(batch)
        loss = loss_of(scores, labels)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        total += loss.item() * len(batch)
        right += (scores.argmax(1) == labels).sum().item()
    schedule.step()
    model.eval()
    with torch.no_grad():
        scores = model(x_held)
        held, accuracy = loss_of(scores, y_held).item(), (scores.argmax(1) == y_held).float().mean().item()
    curves.append((total / len(x), held, right / len(x), accuracy))
    print(f"epoch {epoch + 1} loss {curves[-1][0]:.4f} val loss {held:.4f}")
print(f"held-out accuracy {100 * accuracy:.2f} %")
confusion = np.zeros((10, 10), int)
np.add.at(confusion, (y_held.numpy(), scores.argmax(1).numpy()), 1)
curves = np.array(curves)
figure, axes = plt.subplots(1, 3, figsize=(12, 4))
axes[0].plot(curves[:, :2])
axes[1].plot(curves[:, 2:])
axes[2].imshow(confusion)
figure.savefig("report.svg")
torch.save(model.state_dict(), "model.pt")
"""
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def run(command: list[str], caches: Path) -> tuple[float, float, float]:
    """Return the seconds on the clock and of the processor, and the held-out accuracy in percent."""
    source = str(Path(__file__).parents[1] / "src")
    paths = os.pathsep.join(filter(None, [source, os.environ.get("PYTHONPATH", "")]))
    folders = {"CHAINRULE_CACHE_DIR": str(caches / "own"), "NUMBA_CACHE_DIR": str(caches / "numba")}
    own = environment(PYTHONPATH=paths, **folders, **dict.fromkeys(THREADS, "1"))
    with tempfile.TemporaryDirectory() as folder:
        before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        done = subprocess.run(command, cwd=folder, env=own, capture_output=True, text=True, check=False)
        seconds, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    found = re.search(r"held-out accuracy ([\d.]+)", done.stdout)
    if done.returncode or not found:
        raise RuntimeError(f"{' '.join(command[:3])}: {done.stderr}")
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return seconds, processor, float(found[1])


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="turns of each candidate (3)")
    arguments = parser.parse_args()
    ours = [sys.executable, "-m", "chainrule", "train", "digits"]
    results: dict[str, list[tuple[float, float, float]]] = {}
    for turn in range(arguments.rounds + 1):
        with tempfile.TemporaryDirectory() as folder:
            caches = Path(folder)
            found = {
                "PyTorch": run([sys.executable, "-c", PEER], caches),
                "chainrule, caches empty": run(ours, caches),
                "chainrule, caches there": run(ours, caches),
            }
        if turn:  # the first turn reads the libraries from disk
            for name, result in found.items():
                results.setdefault(name, []).append(result)
    medians = {name: [statistics.median(column) for column in zip(*r, strict=True)] for name, r in results.items()}
    theirs = medians["PyTorch"]
    rows = [
        [
            name,
            f"{wall:.2f} s",
            f"{processor:.2f} s",
            f"{wall / theirs[0]:.2f}",
            f"{processor / theirs[1]:.2f}",
            f"{accuracy:.2f} %",
        ]
        for name, (wall, processor, accuracy) in medians.items()
    ]
    print(f"Training on the digits as a whole process, median of {arguments.rounds} ({machine()}; one thread)\n")
    print(table(["candidate", "clock", "processor", "÷ PyTorch, clock", "÷ PyTorch, processor", "held-out"], rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
