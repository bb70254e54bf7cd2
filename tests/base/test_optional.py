"""Libraries that are imported on use: what is said where one is missing."""

import sys

import pytest

from chainrule.base.optional import needed


def test_the_extra_of_the_package_brings_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    step = r"run: python -m pip install 'chainrule\[torch\]'$"
    with pytest.raises(ImportError, match=f"^to_torch needs PyTorch, which is not installed; {step}"):
        needed("torch", "to_torch")


def test_a_fault_inside_a_library_is_not_hidden(monkeypatch, tmp_path):
    (tmp_path / "half_installed.py").write_text("import what_it_needs")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="what_it_needs"):
        needed("half_installed", "this", "that")
