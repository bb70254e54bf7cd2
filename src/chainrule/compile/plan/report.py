"""What `print(plan)` and `plan.profile()` show."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass
class PlanLine:
    """One line of a plan in words."""

    name: str
    outputs: list[str]
    inputs: list[str]
    flops: int
    nbytes: int
    source: str
    is_view: bool
    fused: int


def program_table(lines: Sequence[PlanLine], memory: int) -> str:
    """Return the program: a line for each call, then what it adds up to."""
    rows = [("", "operation", "result", "from", "FLOP", "bytes")]
    for k, line in enumerate(lines):
        made, read = ", ".join(line.outputs), ", ".join(line.inputs)
        rows.append((str(k), _name(line), made, read, _count(line.flops), _count(line.nbytes)))
    calls = [line for line in lines if not line.is_view]
    fused = [line for line in calls if line.fused > 1]
    total = (
        f"{len(calls)} calls, {len(lines) - len(calls)} views; {sum(line.fused for line in fused)} operations in "
        f"{len(fused)} loops; {_count(sum(line.flops for line in lines))}FLOP; buffers of {_count(memory)}bytes"
    )
    return _aligned(rows) + "\n" + total


def profile_table(lines: Sequence[PlanLine], seconds: Sequence[float | None]) -> str:
    """Return the program with the time of each line."""
    total = sum(s for s in seconds if s is not None)
    rows = [("", "operation", "µs", "share", "GFLOP/s", "line")]
    for k, (line, s) in enumerate(zip(lines, seconds, strict=True)):
        if line.is_view:
            continue
        if s is None:
            rows.append((str(k), _name(line), "not run", "", "", line.source))
            continue
        rate = f"{line.flops / s / 1e9:.1f}" if line.flops and s else ""
        rows.append((str(k), _name(line), f"{s * 1e6:.1f}", f"{s / total:.0%}" if total else "", rate, line.source))
    return _aligned(rows) + f"\ntotal {total * 1e6:.1f} µs"


def _name(line: PlanLine) -> str:
    name = line.name if len(line.name) <= 60 else f"{line.name[:57]}..."
    return f"[{name}]" if line.fused > 1 else f"{name} (view)" if line.is_view else name


def _count(n: float) -> str:
    for unit in ("", "k", "M", "G"):
        if abs(n) < 1000:
            return f"{n:.3g} {unit}" if unit or n != int(n) else f"{int(n)} "
        n /= 1000
    return f"{n:.3g} T"


def _aligned(rows: Sequence[tuple[str, ...]]) -> str:
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    return "\n".join("  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in rows)
