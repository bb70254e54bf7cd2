"""How the tests of compiled functions get their machine code quickly.

What a capture notes, what a plan takes for fixed and when a replay acts does not depend on how well LLVM optimises, so
most tests let it do next to nothing. Those that ask for `machine_code` get what users get; `compiled_ways` runs a test
with it once as one call and once as separate loops.
"""

import pytest

from chainrule.kernels.native import machine


@pytest.fixture(autouse=True)
def _quickly(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Optimise nothing unless the test asks for it."""
    if "machine_code" not in request.fixturenames:
        monkeypatch.setattr(machine, "LEVEL", 0)


@pytest.fixture
def machine_code() -> None:
    """Optimise the loops of this test."""


@pytest.fixture(params=["one function", "separate loops"])
def compiled_ways(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, machine_code: None) -> str:
    """Optimise the loops of this test, and run them in both ways in which a plan does."""
    if request.param == "separate loops":
        monkeypatch.setattr("chainrule.compile.plan.single.tasks_of_step", lambda *_: None)
    return str(request.param)
