"""`chainrule grade`: the spec, the submissions, and the reports."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from chainrule.base.files import check_output, write_text
from chainrule.jobs.check_functions import Inputs, find, load_module
from chainrule.learn.grade.box import Limits
from chainrule.learn.grade.judge import Graded, grade
from chainrule.learn.grade.report import to_csv, to_html, to_json
from chainrule.learn.grade.spec import read_spec
from chainrule.learn.grade.submissions import submissions_in
from chainrule.present.texts import check_lang

LEAST_SECONDS, LEAST_MEGABYTES = 1.0, 256


def grade_all(
    place: Path, against: Path, lang: str, seconds: float, megabytes: int, outputs: Mapping[str, Path | None]
) -> list[Graded]:
    """Grade every submission of a folder, one after the other. Raises ValueError for a wrong call."""
    check_lang(lang, "grade: ")
    if seconds < LEAST_SECONDS or megabytes < LEAST_MEGABYTES:
        raise ValueError(f"grade: --seconds and --megabytes: expected at least {LEAST_SECONDS:g} and {LEAST_MEGABYTES}")
    found = submissions_in(place)
    for path in outputs.values():
        if path is not None:
            check_output(path, {"the spec": against, "a submission": place})
    spec = read_spec(load_module(against), _inputs_of)
    limits = Limits(call=min(10.0, seconds), total=seconds, megabytes=megabytes)
    return [grade(submission, spec, lang, limits) for submission in found]


def write_reports(graded: Sequence[Graded], outputs: Mapping[str, Path | None], lang: str) -> None:
    """Write the reports that were asked for. Raises OSError."""
    made = {"csv": to_csv(graded), "json": to_json(graded), "html": to_html(graded, lang)}
    for form, path in outputs.items():
        if path is not None:
            write_text(path, made[form])


def _inputs_of(module: ModuleType, name: str, seed: int) -> tuple[Any, ...]:
    return Inputs(module, name, {}, seed).of(find(module, name))
