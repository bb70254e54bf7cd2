"""What every test and doctest stands on: the source tree, a fixed seed, and the state it must leave."""

import os
import random
import re
import sys
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

import chainrule  # noqa: F401 - first, so that a doctest of one of its files does not load that file anew

# pyproject.toml puts src/ in front of an installed chainrule; these lines do the same for child processes.
os.environ["PYTHONPATH"] = os.pathsep.join(
    [str(Path(__file__).parent / "src"), *filter(None, [os.environ.get("PYTHONPATH")])]
)
# Hundreds of child processes import the package: it is compiled by the first of them, not by each, also where the
# machine is set to keep no compiled code.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
# Plots open no window. What a command prints depends neither on the terminal nor on the service that runs it:
# typer writes control characters into a pipe where it sees one of the variables below.
os.environ |= {"MPLBACKEND": "Agg", "COLUMNS": "100"}
for variable in ("GITHUB_ACTIONS", "FORCE_COLOR", "PY_COLORS"):
    os.environ.pop(variable, None)

# Libraries that `.[app,dev]` does not bring: an example that imports one is skipped without it.
OPTIONAL = ("torch", "jax", "onnx", "onnxruntime", "mpi4py", "autograd", "mygrad", "mlxtend")


def missing_imports(source: str) -> list[str]:
    """The optional libraries that a piece of source imports and this environment does not have."""
    imported = re.findall(r"^\s*(?:>>> )?(?:import|from)\s+(\w+)", source, re.MULTILINE)
    return [name for name in OPTIONAL if name in imported and find_spec(name) is None]


@pytest.fixture(scope="session")
def skip_without_imports() -> Callable[[str], None]:
    """Skips the running test where a piece of source imports an optional library that is not installed."""

    def skip(source: str) -> None:
        if missing := missing_imports(source):
            pytest.skip(f"this example imports {', '.join(missing)}, not installed here")

    return skip


@pytest.fixture(autouse=True)
def _doctest_in_its_own_folder(request: pytest.FixtureRequest) -> None:
    """A doctest may write files: they land in a temporary folder."""
    if isinstance(request.node, pytest.DoctestItem):
        source = "".join(example.source for example in request.node.dtest.examples)
        request.getfixturevalue("skip_without_imports")(source)
        request.getfixturevalue("monkeypatch").chdir(request.getfixturevalue("tmp_path"))


@pytest.fixture(autouse=True)
def _seeded() -> None:
    """Every default generator starts from 0, in whatever order and process the tests run."""
    random.seed(0)
    for name, function in {"chainrule": "seed", "torch": "manual_seed"}.items():
        if hasattr(sys.modules.get(name), function):
            getattr(sys.modules[name], function)(0)


@pytest.fixture(autouse=True)
def _numpy_error_state_is_kept() -> Iterator[None]:
    """A test that leaves NumPy's error handling changed fails, and does not pass the change on."""
    before = np.geterr()
    yield
    after = np.geterr()
    np.seterr(**before)
    assert after == before, "the test left NumPy's error state changed: use np.errstate"
