"""The modules of `benchmarks/peers`, for tests that hold what the benchmarks time."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

FOLDER = Path(__file__).parents[1] / "benchmarks" / "peers"


def peers(name: str) -> ModuleType:
    """Return a module of that folder, which is no package."""
    spec = importlib.util.spec_from_file_location(f"{name}_of_benchmarks", FOLDER / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module
