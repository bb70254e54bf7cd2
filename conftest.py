"""What every test and doctest stands on: the source tree, a fixed seed, and the state it must leave."""

import gc
import os
import random
import re
import sys
from collections.abc import Callable, Generator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from _pytest.doctest import DoctestModule

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
# rich writes control characters into a pipe where it sees one of the variables below.
os.environ |= {"MPLBACKEND": "Agg", "COLUMNS": "100"}
for variable in ("GITHUB_ACTIONS", "FORCE_COLOR", "PY_COLORS"):
    os.environ.pop(variable, None)

ERROR_STATE = pytest.StashKey[dict[str, str]]()

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


def pytest_configure(config: pytest.Config) -> None:
    """Keep machine code where pytest keeps what it knows of the last run, for all processes, and apart from the user's.

    A file is named by the hash of what it was compiled from and for: a change of the compiler makes others. What
    compiles anew, or not at all, is tested in folders of the tests' own. `pytest --cache-clear` empties it.

    JAX compiles each operation for each shape, which takes more than half of the time of the comparisons with it.
    """
    if hasattr(config, "cache"):
        os.environ.setdefault("CHAINRULE_CACHE_DIR", str(config.cache.mkdir("machine-code")))
        os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(config.cache.mkdir("jax")))
        for least in ("MIN_COMPILE_TIME_SECS", "MIN_ENTRY_SIZE_BYTES"):
            os.environ.setdefault(f"JAX_PERSISTENT_CACHE_{least}", "0")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Look for no garbage among the tests and libraries that collecting brings: they stay for good.

    Each full search would go through millions of their objects, hundreds of times.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.freeze()
        gc.set_threshold(10_000, 20, 20)  # the usual one, 700, takes 3 % of the time; what tests look for, they collect


@pytest.hookimpl(wrapper=True)
def pytest_collect_file(file_path: Path) -> Generator[None, list[pytest.Collector], list[pytest.Collector]]:
    """Look for no examples in files that have none: searching them took a fifth of collecting."""
    found = yield
    if file_path.suffix == ".py" and b">>>" not in file_path.read_bytes():
        return [one for one in found if not isinstance(one, DoctestModule)]
    return found


# Hooks and not fixtures that every test has: those cost half a millisecond for each of twenty thousand tests.


def seed() -> None:
    """Start every default generator from 0."""
    random.seed(0)
    for name, function in {"chainrule": "seed", "torch": "manual_seed"}.items():
        if hasattr(sys.modules.get(name), function):
            getattr(sys.modules[name], function)(0)


@pytest.fixture(scope="session")
def start_anew() -> Callable[[], None]:
    """Starts every default generator from 0 again: for a test that walks many cases (`tests/named.py`)."""
    return seed


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Every default generator starts from 0, in whatever order and process the tests run."""
    seed()
    item.stash[ERROR_STATE] = np.geterr()


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(fixturedef: pytest.FixtureDef[object]) -> Generator[None, object, object]:
    """The first test with a shared fixture starts from 0 too, whatever the fixture drew or imported.

    A library that came with it stays for good, like those that collecting brought.
    """
    made = yield
    if fixturedef.scope == "session":
        gc.freeze()
    if fixturedef.scope != "function":
        seed()
    return made


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, None, None]:
    """A test that leaves NumPy's error handling changed fails, and does not pass the change on."""
    try:
        yield
    finally:
        before, after = item.stash[ERROR_STATE], np.geterr()
        np.seterr(**before)
    assert after == before, "the test left NumPy's error state changed: use np.errstate"
