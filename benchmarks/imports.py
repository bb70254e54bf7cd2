"""What `import chainrule` costs beyond `import numpy`, from compiled bytecode, as an installation has it.

python benchmarks/imports.py
"""

import os
import statistics
import subprocess
import sys
import tempfile

CODE = "import time, numpy; t = time.perf_counter(); import chainrule; print(time.perf_counter() - t)"


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "PYTHONPYCACHEPREFIX": folder}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)

        def run() -> float:
            command = [sys.executable, "-c", CODE]
            done = subprocess.run(command, capture_output=True, check=True, text=True, env=environment)
            return float(done.stdout) * 1e3

        first, *rest = (run() for _ in range(12))
    print(
        f"import chainrule, after numpy: median {statistics.median(rest):.0f} ms, least {min(rest):.0f} ms of 11 runs"
    )
    print(f"(the first run, which compiles the bytecode: {first:.0f} ms)")


if __name__ == "__main__":
    main()
