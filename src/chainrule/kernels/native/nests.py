"""A function's loops within loops, each written on vectors by whom it fits: `widened`."""

from dataclasses import dataclass, field

from .bodies import Alone, NotWidened
from .code import Code, Lines, Loop, Update, plain
from .columns import ColumnSums
from .widening import Target, Widening


@dataclass
class Written:
    """A function's lines on vectors."""

    first: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    declared: set[str] = field(default_factory=set)

    def add(self, loop: Widening) -> list[str]:
        """Return the lines of a loop, and keep what it needs besides."""
        lines = loop.write()
        self.first += loop.first
        self.declared |= loop.declared
        return lines


def widened(code: Code, target: Target) -> Written | None:
    """Return the lines of a function with its innermost loops on vectors, or None to leave it to LLVM."""
    made = Written([*code.first], declared={*code.declared})
    try:
        made.lines = _widened(code.lines, code.roots, target, made)
    except NotWidened:
        return None
    return made


def _widened(lines: Lines, roots: dict[str, str], target: Target, made: Written, is_nested: bool = False) -> list[str]:
    found: list[str] = []
    for line in lines:
        if isinstance(line, str):
            found.append(line)
        elif isinstance(line, Update):
            found += line.lines()
        elif any(isinstance(inner, Loop) for inner in line.lines):
            found += _nest(line, roots, target, made)
        else:
            try:
                loop = Widening(line, roots, target)
                if is_nested and loop.adds_up_columns:
                    raise NotWidened("sums that LLVM keeps in registers over the rows")
                found += made.add(loop)
            except Alone:
                found += plain([line])
    return found


def _nest(rows: Loop, roots: dict[str, str], target: Target, made: Written) -> list[str]:
    """Return the lines of a loop with others inside."""
    try:
        return made.add(ColumnSums(rows, roots, target))
    except (Alone, NotWidened):
        return rows.around(_widened(rows.lines, roots, target, made, is_nested=True))
