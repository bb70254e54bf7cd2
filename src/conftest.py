"""What the examples in docstrings stand on. This file is not part of the package."""

import pytest


@pytest.fixture(autouse=True)
def _doctest_in_its_own_folder(request: pytest.FixtureRequest) -> None:
    """A doctest may write files: they land in a temporary folder."""
    if isinstance(request.node, pytest.DoctestItem):
        source = "".join(example.source for example in request.node.dtest.examples)
        request.getfixturevalue("skip_without_imports")(source)
        request.getfixturevalue("monkeypatch").chdir(request.getfixturevalue("tmp_path"))
