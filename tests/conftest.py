"""How properties are searched, and the libraries that chainrule is compared with."""

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import hypothesis
import pytest

# A first call may compile a kernel, and no deadline fits both it and the later ones. On CI the examples are
# the same in every run: a red run can be repeated, and a new failure comes from a new commit.
#
# Fifty examples of each property are enough for every day; `HYPOTHESIS_PROFILE=thorough` draws a thousand, every night.
hypothesis.settings.register_profile("dev", deadline=None, max_examples=50)
hypothesis.settings.register_profile("ci", deadline=None, max_examples=50, derandomize=True, print_blob=True)
hypothesis.settings.register_profile("thorough", deadline=None, max_examples=1000, print_blob=True)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if os.environ.get("CI") else "dev"))


def pytest_configure() -> None:
    """One thread of BLAS and OpenMP for each worker, which inherits this; chainrule's own pool is not affected.

    The tests run in two processes on two cores. More threads wait for each other: L-BFGS took ten times the CPU time.
    """
    for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
        os.environ.setdefault(variable, "1")


def _reference(name: str) -> ModuleType:
    return pytest.importorskip(name, reason=f"a comparison with {name}: pip install '.[{name}]'")


@pytest.fixture(scope="session")
def torch() -> ModuleType:
    """PyTorch; without it the test is skipped."""
    return _reference("torch")


@pytest.fixture(scope="session")
def jax() -> ModuleType:
    """JAX in double precision; without it the test is skipped."""
    module = _reference("jax")
    module.config.update("jax_enable_x64", True)
    return module


@pytest.fixture(scope="session", autouse=True)
def _ctrl_c() -> Iterator[None]:
    """Ctrl-C as in a terminal, also where the tests were started so that it is ignored (`nohup`, `&` in a script)."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """No thread but this one counts: earlier tests' libraries may have left some."""
    for module in ("compiled", "replay", "capture.capture"):
        monkeypatch.setattr(f"chainrule.compile.{module}.others_run", lambda: False)


PATIENCE = 180_000
"""Milliseconds that a browser waits for what a test waits for: a busy machine is no error."""


def _patient(make: Callable[..., Any]) -> Callable[..., Any]:
    def made(**settings: Any) -> Any:
        result = make(**settings)
        result.set_default_timeout(PATIENCE)
        return result

    return made


@pytest.fixture(scope="session")
def chromium() -> Iterator[object]:
    """A browser, one for all tests of a process; without Playwright or Chromium the test is skipped."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="a browser: pip install playwright")
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        pytest.skip("a browser: apt-get install chromium")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        browser.new_context, browser.new_page = map(_patient, (browser.new_context, browser.new_page))
        yield browser
        browser.close()
