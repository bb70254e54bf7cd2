"""`assert_gradients`: a gradient check for test suites; a failure says as much about the cause as is wanted."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from chainrule.present.escape import terminal
from chainrule.present.texts import Words, check_lang

from .checker import check
from .report.found import Finding
from .report.report import CheckReport
from .report.words import TEXT, code_name, meaning, reason, said
from .subjects.layers import check_layer

HINTS = ("none", "cause", "full")


def assert_gradients(
    f: Callable[..., Any], *args: Any, hint: str = "full", lang: str = "en", **settings: Any
) -> CheckReport:
    """Assert that the gradient of `f` at `args` is right, and return the report.

    Takes the arguments of `check`; an object with `forward` and `backward` is checked by `check_layer`. `hint` is what
    a failure reveals: "none" only that the gradient of this function is wrong, "cause" one sentence for each argument,
    "full" the whole report, with the expected formula. `lang` is "en" or "ko".

    Raises AssertionError if the gradient is not right, and ValueError for another `hint` or `lang`.

    >>> import numpy as np
    >>> assert_gradients(np.sin, np.ones(3), backward=lambda y_bar, x: y_bar * np.cos(x)).verdict
    'right'
    >>> assert_gradients(np.sin, np.ones(3), backward=lambda y_bar, x: 2 * y_bar * np.cos(x), hint="none")
    Traceback (most recent call last):
    AssertionError: sin: The gradient is wrong.
    >>> assert_gradients(np.sin, np.ones(3), backward=lambda y_bar, x: -y_bar * np.cos(x), hint="cause")
    Traceback (most recent call last):
    AssertionError: sin: The gradient is wrong.
      x: sign: the sign is wrong
    """
    if hint not in HINTS:
        raise ValueError(f"assert_gradients: hint: expected one of {', '.join(HINTS)}, got {hint!r}")
    check_lang(lang, "assert_gradients: ")
    handwritten = hasattr(f, "forward") and hasattr(f, "backward")
    report: CheckReport = check_layer(f, *args, **settings) if handwritten else check(f, *args, **settings)
    if not report.ok:
        __tracebackhide__ = True  # pytest would print the arguments, which for "none" and "cause" may hold the answer
        raise AssertionError(_message(report, hint, lang))
    return report


def _message(report: CheckReport, hint: str, lang: str) -> str:
    if hint == "full":
        return report.to_text(lang)
    t = Words(TEXT, lang)
    lines = [f"{report.name}: {meaning(report, t)}"]
    if hint == "cause":
        lines += dict.fromkeys(f"  {_cause(finding, t)}" for finding in report.findings)
    return terminal("\n".join(lines))


def _cause(finding: Finding, t: Words) -> str:
    """Return where a gradient is wrong and the likeliest reason, or what was observed if there is none."""
    where = f"{finding.argument}: " if finding.argument else ""
    if not finding.hypotheses:
        return where + said(finding.message, t.lang)
    likeliest = finding.hypotheses[0]
    return f"{where}{code_name(likeliest.code, t)}: {_without_repair(likeliest, t)}"


def _without_repair(hypothesis: Any, t: Words) -> str:
    """Return what a hypothesis says, but not what would make the gradient right: that is the student's part."""
    detail = hypothesis.detail
    if "wanted" not in detail:
        return reason(hypothesis, t.lang)
    told = {key: value for key, value in detail.items() if key not in ("written", "wanted")} | {"text": detail["what"]}
    place = f"{t('line', n=detail['line'])}: `{detail['written']}`"
    return f"{reason(replace(hypothesis, detail=told), t.lang)}; {place}"
