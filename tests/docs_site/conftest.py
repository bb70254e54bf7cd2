"""The builder of the site, which is a folder of modules and not part of the package."""

import os
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "docs" / "site"))


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    """The built site: that of CHAINRULE_SITE, or a new one; its tests are skipped where Sphinx is missing."""
    if built := os.environ.get("CHAINRULE_SITE"):
        return Path(built)
    for library in ("sphinx", "myst_parser", "pydata_sphinx_theme", "latex2mathml"):
        pytest.importorskip(library, reason="the site: pip install '.[app,docs]'")
    import build

    out = tmp_path_factory.mktemp("site")
    build.build(out / "site", out / "sources")
    return out / "site"
