"""What a report says of arguments that are not float64."""

from dataclasses import replace

from chainrule.check.report.report import CheckReport
from chainrule.check.subjects.subject import Arrays


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
