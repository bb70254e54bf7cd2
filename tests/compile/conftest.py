"""Where the tests of compiled functions keep generated kernels, and how most of them do without compiling any.

A plan's loops are Python until Numba compiles them, which takes a second for each. What a capture notes, what a plan
takes for fixed and when a replay acts does not depend on that, so those tests run the loops as Python, on small
arrays. `compiled_ways` runs a test with machine code, once as one function and once as separate loops.
"""

import os
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from chainrule.compile import generated, plan
from chainrule.kernels import functions


@pytest.fixture(scope="session", autouse=True)
def _cache_of_the_session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep kernels in the session's own folder, which the processes of one session share."""
    before = os.environ.get("CHAINRULE_CACHE_DIR")
    base = tmp_path_factory.getbasetemp()
    base = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    os.environ["CHAINRULE_CACHE_DIR"] = str(base / "kernels")
    yield
    if before is None:
        del os.environ["CHAINRULE_CACHE_DIR"]
    else:
        os.environ["CHAINRULE_CACHE_DIR"] = before


def _as_python(text: str, module: str, name: str) -> Callable[..., Any]:
    """Return a generated loop as the Python function that it is."""
    space: dict[str, Any] = {"__name__": module}
    exec(compile(text, f"<{module}>", "exec"), space)
    for called in generated.FUNCTIONS:
        space[called] = getattr(functions, called).py_func
    loop = space[name].py_func
    assert loop.__globals__ is space

    def run(*args: Any) -> Any:
        # NumPy's scalars warn where machine code does not.
        with np.errstate(all="ignore"):
            return loop(*args)

    return run


@pytest.fixture(autouse=True)
def _loops_as_python(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run loops as Python unless the test asks for machine code."""
    if "machine_code" not in request.fixturenames:
        monkeypatch.setattr(generated, "_made", {})
        monkeypatch.setattr(generated, "_loaded", _as_python)
        monkeypatch.setattr(plan, "MOST", -1)


@pytest.fixture
def machine_code() -> None:
    """Compile the loops of this test."""


@pytest.fixture(params=["one function", "separate loops"])
def compiled_ways(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, machine_code: None) -> str:
    """Compile the loops of this test, in both ways in which a plan does."""
    if request.param == "separate loops":
        monkeypatch.setattr(plan, "MOST", -1)
    return str(request.param)
