"""Training on a Parquet file that is read in blocks, against the same rows in memory.

    python benchmarks/stream.py [--mb 400] [--features 50] [--rounds 3] [--memory-mb 256] [--batch 256] [--file PATH]

Makes a Parquet file of float32 columns and three classes, of about so many megabytes, unless a file is given. Each
round trains two epochs in a process of its own, in memory and streamed by turns; the second epoch counts, as the first
one compiles. The network is that of `chainrule train`. The file takes a little more disk than --mb, in TMPDIR, and is
removed; in memory, the rows take --mb. Printed are rows per second, the seconds of the epoch spent
waiting for data, and the peak memory of the process; and the median over the rounds of streamed to in memory.
"""

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from timing import environment, machine, table

import chainrule as cr
from chainrule import nn, optim
from chainrule.base.machine_memory import peak_memory
from chainrule.data import DataLoader, stream
from chainrule.train import fit
from chainrule.train.saved.recipe import network

PART = 100_000
"""Rows of a row group."""


def make(path: Path, megabytes: float, features: int) -> None:
    """Write the file, a row group at a time."""
    import pyarrow as arrow
    import pyarrow.parquet as parquet

    rng = np.random.default_rng(0)
    true = rng.standard_normal((features, 3)).astype(np.float32)
    rows = int(megabytes * 1e6 / (4 * features))
    writer = None
    for start in range(0, rows, PART):
        x = rng.standard_normal((min(PART, rows - start), features), np.float32)
        y = (x @ true).argmax(axis=1)
        part = arrow.table({**{f"x{j}": x[:, j] for j in range(features)}, "y": y})
        writer = writer or parquet.ParquetWriter(path, part.schema, use_dictionary=["y"])
        writer.write_table(part)
    if writer is None:
        raise ValueError(f"--mb: expected enough for a row, got {megabytes}")
    writer.close()


def in_memory(data: DataLoader) -> tuple[np.ndarray, np.ndarray]:
    """All rows of a stream as arrays, without a second copy of them."""
    arrays, at = [], 0
    for parts in data.dataset.blocks():
        arrays = arrays or [np.empty((len(data.dataset), *part.shape[1:]), part.dtype) for part in parts]
        for array, part in zip(arrays, parts, strict=True):
            array[at : at + len(part)] = part
        at += len(parts[0])
    return arrays[0], arrays[1]


def child(way: str, path: str, memory: int, batch: int) -> None:
    """Train, and print what was measured."""
    data = stream(path, memory=memory)
    loader = DataLoader(data.standardized(), batch, shuffle=True, seed=0)
    if way == "in memory":
        loader = DataLoader(in_memory(loader), batch, shuffle=True, seed=0)
    cr.seed(0)
    model = network(len(data.feature_names), (256, 128), 3, 0.3)
    optimizer = optim.AdamW(model.parameters(), lr=2e-3)
    history = fit(model, nn.CrossEntropyLoss(), optimizer, loader, epochs=2, clip_norm=1.0)
    row = history.last
    found = {"rows": len(data) / row["seconds"], "waited": row.get("waited", 0.0), "seconds": row["seconds"]}
    print(json.dumps({**found, "peak": peak_memory(), "loss": row["loss"], "steps": history.compiled}))


def measured(way: str, path: Path, memory: int, batch: int) -> dict[str, float]:
    command = [sys.executable, __file__, "--child", way, str(path), str(memory), str(batch)]
    threads = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment(**threads), capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mb", type=float, default=400)
    parser.add_argument("--features", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--memory-mb", type=int, default=256)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--file", type=Path)
    given, began = parser.parse_args(), time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        path = given.file or Path(folder, "made.parquet")
        if given.file is None:
            free = shutil.disk_usage(folder).free
            if free < 1.2e6 * given.mb:
                raise SystemExit(f"{folder}: {free / 1e6:,.0f} MB are free, and the file takes {1.2 * given.mb:,.0f}")
            make(path, given.mb, given.features)
        print(f"{machine()}; {path.stat().st_size / 1e6:,.0f} MB, buffers of {given.memory_mb} MB")
        rows, ratios, measurements = [], [], []
        for turn in range(given.rounds):
            ways = ["in memory", "streamed"][:: 1 if turn % 2 else -1]
            found = {way: measured(way, path, given.memory_mb << 20, given.batch) for way in ways}
            ratios.append(found["streamed"]["rows"] / found["in memory"]["rows"])
            for way, one in found.items():
                measurements.append({**one, "way": way})
                cells = [
                    f"{one['rows']:,.0f}",
                    f"{one['waited']:.2f} of {one['seconds']:.2f}",
                    f"{one['peak'] / 1e6:,.0f}",
                ]
                rows.append([way, *cells, one["steps"], f"{one['loss']:.4f}"])
        print(table(["data", "rows/s", "waited, s", "peak, MB", "steps", "loss"], rows))
        peaks = {
            way: max(one["peak"] for one in measurements if one["way"] == way) for way in ("in memory", "streamed")
        }
        print(
            f"streamed / in memory: {100 * statistics.median(ratios):.0f} % of the rows per second (median of "
            f"{len(ratios)} rounds, from {100 * min(ratios):.0f} to {100 * max(ratios):.0f} %); peak memory "
            f"{peaks['streamed'] / 1e6:,.0f} MB against {peaks['in memory'] / 1e6:,.0f} MB; "
            f"{(time.monotonic() - began) / 60:.1f} minutes"
        )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        child(sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5]))
    else:
        main()
