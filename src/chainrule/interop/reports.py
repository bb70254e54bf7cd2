"""What a check of another library's code adds to its report: a note on precision, and Python text that repeats it."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from chainrule.check.report.report import CheckReport
from chainrule.check.subjects.subject import Arrays

LONGEST = 1200
"""Characters up to which an array is written out."""


def reproduction(library: str, f: Any, arguments: Mapping[str, str], seed: int) -> str:
    """Return the text, or an empty string where it would be too long or f is the library's own.

    `arguments` are expressions, by name.
    """
    module, path = getattr(f, "__module__", "") or "", getattr(f, "__qualname__", "")
    if module.partition(".")[0] in ("", library) or any(
        len(text) > LONGEST or not name.isidentifier() for name, text in arguments.items()
    ):
        return ""
    name = getattr(f, "__name__", "f")
    name = name if name.isidentifier() else "f"  # a lambda has no name that can be written
    if module != "__main__" and path.isidentifier():
        origin = f"from {module} import {name}"
    else:
        origin = f"# {name}: {path or type(f).__name__}, as in your code"
    lines = [f"import {library}", "import chainrule as cr", origin, *(f"{n} = {text}" for n, text in arguments.items())]
    lines.append(f"print(cr.check_{library}({', '.join([name, *arguments])}, seed={seed}))")
    return "\n".join(lines)


def with_note(report: CheckReport, arguments: Arrays) -> CheckReport:
    """Add whether a function of float32 or float16 was checked in float64, or could not be."""
    coarse = sorted({str(x.dtype) for x in arguments.values()} - {"float64"})
    if not coarse or not report.rows:
        return report
    given = " and ".join(coarse)
    if all(row.dtype == "float64" for row in report.rows):
        note = f"The arguments are {given}; the same code was checked in float64."
    else:
        note = f"The code computes in {given} only, so errors below its rounding cannot be seen."
    return replace(report, notes=(*report.notes, note))
