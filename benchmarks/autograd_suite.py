"""Run the tests of HIPS autograd on chainrule's door to it, and say which fail.

    git clone https://github.com/HIPS/autograd
    python benchmarks/autograd_suite.py autograd [-k linalg]

The tests run unchanged from a copy, with `import autograd` importing `chainrule.autograd`.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

INSTALL = "import chainrule.autograd\n\nchainrule.autograd.install()\n"
SOURCE = Path(__file__).parents[1] / "src"

DIFFERS = {
    "test_assignment_raises_error": "a traced array can be written to here",
    "test_rfftn_odd_not_implemented": "odd lengths work here",
    "test_dtypes": "longdouble has no derivatives here",
    "test_erf": "no record of it for complex numbers",
    "test_erfc": "no record of it for complex numbers",
    "test_exp2": "no record of it for complex numbers",
    "test_grad_through_dataarray_binary_ufunc": "a tensor times a DataArray is a tensor: .data has no gradient",
    "test_grad_through_box_times_dataarray_holding_box": "a tensor times a DataArray is a tensor",
}
"""Failures that are meant, with the reason."""


def run(checkout: Path, selected: str) -> str:
    """Run the tests in a copy of their folder, and return what pytest prints."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        shutil.copytree(checkout / "tests", copy / "tests")
        (copy / "conftest.py").write_text(INSTALL)
        (copy / "pytest.ini").write_text("[pytest]\naddopts = -p no:cacheprovider\n")
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-rfE",
            "--tb=line",
            "tests",
            *(["-k", selected] * bool(selected)),
        ]
        environment = {**os.environ, "PYTHONPATH": str(SOURCE), "COLUMNS": "200"}
        return subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True, check=False).stdout


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkout", type=Path, help="the folder of a checkout of HIPS autograd")
    parser.add_argument("-k", default="", help="pytest's -k: which tests")
    given = parser.parse_args()
    if not (given.checkout / "tests").is_dir():
        parser.error(f"{given.checkout} has no tests/; expected the folder of a checkout of HIPS autograd")
    printed = run(given.checkout, given.k)
    for line in re.findall(r"^(?:FAILED|ERROR) (.*)$", printed, re.M):
        name = re.split(r"[\[ ]", line.partition("::")[2])[0]
        print(f"{line[:150]}  ({DIFFERS[name]})" if name in DIFFERS else line[:190])
    print(printed.strip().splitlines()[-1])
    counts = {word: int(n) for n, word in re.findall(r"(\d+) (passed|failed|error)", printed.splitlines()[-1])}
    total = sum(counts.values())
    if total:
        print(f"{100 * counts.get('passed', 0) / total:.1f} % of {total} pass")


if __name__ == "__main__":
    main()
