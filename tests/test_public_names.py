"""Names that a release had are there in the next: `public_names.txt` lists them, one for each line.

A name leaves in two steps: it warns for at least one release (CONTRIBUTING, "Releases"), then its line goes.
"""

import importlib
from pathlib import Path

from tests.named import walked

NAMES = Path(__file__).with_name("public_names.txt").read_text(encoding="utf-8").split()


@walked("module", sorted({name.rpartition(":")[0] for name in NAMES}))
def test_names_of_the_last_release_are_still_there(module):
    found = importlib.import_module(module)
    gone = [name for name in NAMES if name.startswith(f"{module}:") and not hasattr(found, name.rpartition(":")[2])]
    assert not gone


TOOLS = ("check", "compile", "data", "doctor", "explain", "explore", "interop", "learn", "nn", "optim", "train")
PACKAGES = ["chainrule", *(f"chainrule.{name}" for name in TOOLS)]


@walked("package", PACKAGES)
def test_a_package_has_what_it_says_it_has(package):
    found = importlib.import_module(package)
    assert [name for name in found.__all__ if not hasattr(found, name)] == []
