"""The package as it is installed: its version, its files, its command."""

import doctest
import json
from importlib import import_module, metadata
from pathlib import Path

import pytest

import chainrule

SOURCE = Path(__file__).parents[1] / "src"


@pytest.fixture(scope="module")
def installed():
    try:
        return metadata.distribution("chainrule")
    except metadata.PackageNotFoundError:
        pytest.skip("chainrule is not installed here: pip install '.[app,dev]'")


def test_the_tests_see_the_source():
    assert Path(chainrule.__file__).is_relative_to(SOURCE)


def test_the_version_is_that_of_the_metadata(installed):
    assert chainrule.__version__ == installed.version


def test_the_wheel_ships_every_file_of_the_source(installed):
    origin = json.loads(installed.read_text("direct_url.json") or "{}")
    if origin.get("dir_info", {}).get("editable"):
        pytest.skip("an editable install has no files of its own")
    ours = {p.relative_to(SOURCE).as_posix() for p in (SOURCE / "chainrule").rglob("*") if p.is_file()}
    ours = {name for name in ours if "__pycache__" not in name}
    assert "chainrule/py.typed" in ours
    missing = ours - {file.as_posix() for file in installed.files}
    assert not missing, "not in the installed package; if they are new, install it again"


def test_the_command_line_is_there(installed):
    (script,) = installed.entry_points.select(group="console_scripts")
    assert script.name == "chainrule"
    assert callable(script.load())


@pytest.mark.slow
def test_every_module_can_be_imported_and_has_its_examples_in_its_file():
    """Examples are looked for where `>>>` is written (`conftest.py`): also those that a decorator attached."""
    finder = doctest.DocTestFinder()
    for path in sorted((SOURCE / "chainrule").rglob("*.py")):
        module = import_module(".".join(path.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__"))
        if ">>>" not in path.read_text(encoding="utf-8"):
            assert not any(found.examples for found in finder.find(module, globs={})), path
