"""Run the code cells of PyTorch notebooks with `import chainrule.torch as torch`, and count those that run.

    python benchmarks/notebooks.py NOTEBOOK.ipynb ... [--steps N] [--data FOLDER] [--pytorch]

Only the imports are replaced, and loops of very many steps are shortened to N. Files that a notebook reads by a
relative name, such as names.txt, are copied from the folder of --data. Magics (`%matplotlib inline`) and shell lines
are left out. With SHOW=1 in the environment the output of each cell is shown, so that it can be seen whether losses
come down. With --pytorch the notebooks run with PyTorch itself, for comparison.
"""

import argparse
import contextlib
import io
import json
import os
import re
import sys
import tempfile
import time
import traceback
from pathlib import Path

IMPORTS = (
    (r"^import torch\.nn\.functional as (\w+)", r"import chainrule.torch.nn.functional as \1"),
    (r"^import torch\.nn as (\w+)", r"import chainrule.torch.nn as \1"),
    (r"^import torch\.optim as (\w+)", r"import chainrule.torch.optim as \1"),
    (r"^import torch$", "import chainrule.torch as torch"),
    (r"^from torch import", "from chainrule.torch import"),
    (r"^from torch\.", "from chainrule.torch."),
    (r"^import torch\.(\w+)$", r"import chainrule.torch as torch"),
)


def translated(source: str, steps: int, imports: tuple[tuple[str, str], ...] = IMPORTS) -> str:
    """Return a cell with its imports replaced and its long loops shortened."""
    lines = []
    for line in source.split("\n"):
        if re.match(r"\s*[%!]", line):
            line = re.sub(r"[%!].*", "pass", line)
        for pattern, new in imports:
            line = re.sub(pattern, new, line)
        lines.append(line)
    text = "\n".join(lines)
    text = re.sub(r"\bmax_steps = (\d+)", lambda m: f"max_steps = {min(int(m[1]), steps)}", text)
    return re.sub(r"in range\((\d{4,})\)", lambda m: f"in range({min(int(m[1]), steps)})", text)


def run(path: Path, steps: int, data: Path | None, pytorch: bool) -> tuple[int, int]:
    """Run one notebook; return how many cells ran, and how many there are."""
    cells = [c for c in json.loads(path.read_text(encoding="utf-8"))["cells"] if c["cell_type"] == "code"]
    names: dict[str, object] = {"__name__": "__main__"}
    good, tail = 0, ""
    with tempfile.TemporaryDirectory() as folder:
        if data is not None:
            for file in data.iterdir():
                if file.is_file():
                    (Path(folder) / file.name).write_bytes(file.read_bytes())
        os.chdir(folder)
        for k, cell in enumerate(cells):
            said, began = io.StringIO(), time.perf_counter()
            try:
                with contextlib.redirect_stdout(said):
                    exec(
                        compile(
                            translated("".join(cell["source"]), steps, () if pytorch else IMPORTS),
                            f"{path.name}[{k}]",
                            "exec",
                        ),
                        names,
                    )
                good += 1
            except Exception:
                print(f"{path.name}: cell {k} fails after {time.perf_counter() - began:.1f} s")
                traceback.print_exc(limit=-3)
            tail = said.getvalue()[-2000:] or tail
            if os.environ.get("SHOW"):
                print(f"--- {path.name}[{k}] {time.perf_counter() - began:.1f} s\n{said.getvalue()[-600:]}")
        os.chdir("/")
    return good, len(cells)


def main() -> None:
    """Run the notebooks."""
    parser = argparse.ArgumentParser()
    parser.add_argument("notebooks", nargs="+", type=Path)
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--pytorch", action="store_true", help="run them with PyTorch itself, for comparison")
    options = parser.parse_args()
    os.environ.setdefault("MPLBACKEND", "Agg")
    total = [0, 0]
    for path in options.notebooks:
        good, count = run(path.resolve(), options.steps, options.data and options.data.resolve(), options.pytorch)
        print(f"{path.name}: {good} of {count} cells run")
        total = [total[0] + good, total[1] + count]
    print(f"{total[0]} of {total[1]} cells run")
    sys.exit(total[0] != total[1])


if __name__ == "__main__":
    main()
