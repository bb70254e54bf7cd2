"""What fuzzing found stays mended, and what the readers were made for is taken."""

import re
from pathlib import Path

import pytest
from tests.named import walked

from .run import CODE
from .targets import TARGETS, Target

CORPUS = Path(__file__).parent / "corpus"
NIGHTLY = Path(__file__).parents[2] / ".github" / "workflows" / "fuzz.yml"
FOUND = sorted(path.relative_to(CORPUS).as_posix() for path in CORPUS.glob("*/*"))


def usable(name: str) -> Target:
    """A target by name; the test is skipped without a library that it needs."""
    for library in TARGETS[name].needs:
        pytest.importorskip(library, reason=f"{name} needs {library}, not installed here")
    return TARGETS[name]


@pytest.mark.filterwarnings("ignore")
@walked("name", FOUND)
def test_found(name: str) -> None:
    usable(name.split("/")[0]).run((CORPUS / name).read_bytes())


TRAINED = ("model", "description_of_holes")
"""Targets whose seeds are trained first."""


@pytest.mark.parametrize("name", [pytest.param(name, marks=[pytest.mark.slow] * (name in TRAINED)) for name in TARGETS])
def test_seeds(name: str) -> None:
    target = usable(name)
    for seed in target.seeds():
        target.run(seed)


def test_the_corpus_names_targets() -> None:
    assert {name.split("/")[0] for name in FOUND} <= set(TARGETS) == set(CODE)


def test_every_target_is_run_at_night() -> None:
    named = re.search(r"target: \[(.*?)\]", NIGHTLY.read_text(encoding="utf-8"), re.DOTALL)
    assert named is not None
    assert set(re.findall(r"\w+", named[1])) == set(TARGETS)
