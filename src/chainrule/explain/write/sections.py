"""The common basis of all output formats of a derivation: its sections as plain data, with mathematics in LaTeX."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from chainrule._version import __version__
from chainrule.explain.derive.folding import fold
from chainrule.explain.derive.numerals import number, shape_text, shown
from chainrule.explain.derive.steps import Account, Confirmation, Line, Step
from chainrule.explain.derive.template import sides
from chainrule.present.escape import in_text

from .catalogue import Catalogue

MATH = "$"
"""The prefix of a table cell that is mathematics."""


@dataclass(frozen=True)
class Table:
    """Rows of cells; a cell that begins with a dollar is LaTeX."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Item:
    """One step in written form: the equation, its numbers, value, shape, verdict and the lines that lead to it."""

    latex: str
    numbers: str
    value: str
    shape: str
    verdict: str
    is_good: bool
    where: str
    lines: tuple["Item", ...] = ()
    title: str = ""
    note: str = ""


@dataclass(frozen=True)
class Section:
    """A heading with paragraphs, then steps and tables."""

    key: str
    heading: str
    paragraphs: tuple[str, ...] = ()
    items: tuple[Item, ...] = ()
    tables: tuple[Table, ...] = field(default=())


def sections(derivation: Account) -> list[Section]:
    """Return the five sections of a derivation."""
    words = Catalogue(derivation.lang)
    return [
        _network(derivation, words),
        Section(
            "forward", words["forward"], (words["intro_forward"],), tuple(_items(derivation.forward, derivation, words))
        ),
        Section(
            "backward",
            words["backward"],
            (words["intro_backward"],),
            tuple(_items(derivation.backward, derivation, words)),
        ),
        _summary(derivation, words),
        _check(derivation, words),
    ]


def heading(derivation: Account) -> str:
    """Return the derivation's title."""
    return Catalogue(derivation.lang)("derivation_of", title=in_text(derivation.title))


def footer(derivation: Account) -> str:
    """Return the derivation's last line."""
    return Catalogue(derivation.lang)("made_by", version=__version__)


def _network(derivation: Account, words: Catalogue) -> Section:
    symbols = derivation.symbols
    rows = tuple((f"{MATH}{s.symbol}", in_text(s.name), s.role, shape_text(s.shape)) for s in symbols)
    tables = [Table((words["symbol"], words["name"], words["role"], words["shape"]), _folded_rows(rows, derivation))]
    leaves = [(path, text) for path, text in derivation.modules if not text.endswith("()") or "." not in path]
    if len(derivation.modules) > 1 and derivation.level != "brief":
        listed = tuple((in_text(path), in_text(text)) for path, text in leaves if path)
        tables.insert(0, Table((words["name"], words["module"]), listed))
    told = (
        ("intro_network", "complex") if any(np.iscomplexobj(s.value) for s in derivation.steps) else ("intro_network",)
    )
    return Section("network", words["network"], tuple(map(words.__getitem__, told)), (), tuple(tables))


MOST_ROWS = 16


def _folded_rows(rows: tuple[tuple[str, ...], ...], derivation: Account) -> tuple[tuple[str, ...], ...]:
    """At level "brief", keep only the beginning and the end of a long table."""
    if derivation.level != "brief" or len(rows) <= MOST_ROWS:
        return rows
    width = len(rows[0])
    return (*rows[: MOST_ROWS - 3], ("…",) * width, *rows[-2:])


def _items(steps: Sequence[Step], derivation: Account, words: Catalogue) -> Iterator[Item]:
    if derivation.level != "brief":
        yield from (_item(step, words) for step in steps)
        return
    for block in fold(steps):
        yield from (_item(step, words, brief=True) for step in block.steps)
        if block.hidden:
            note = words("folded", count=block.hidden, times=block.times)
            yield Item("", "", "", "", "", True, "", note=f"× {block.times}: {note}")


def _item(step: Step, words: Catalogue, brief: bool = False) -> Item:
    places = [words("in_module", name=in_text(step.module))] if step.module else []
    if step.source is not None:
        text = in_text(step.source.text)  # nothing where the code came from no file
        key = "in_line" if text else "in_unknown_line"
        places.append(words(key, line=step.source.line, text=text))
    lines = () if brief else tuple(_line(line, words) for line in step.lines)
    left, right = ends(step.formula)
    # Letters that only this formula has are defined beside it, where no lines follow.
    defined = "".join(rf",\quad {line.latex}" for line in step.lines if not line.title and step.section == "forward")
    value = shown(step.displayed)
    value = "" if brief and (np.size(step.value) > 1 or defined or value == right) else value
    return Item(
        words.math(f"{left} = {right}{defined}" if brief and left else step.formula),
        words.math(step.numbers or ""),
        value,
        shape_text(step.shape),
        _verdict(step, words, brief),
        step.verified,
        " · ".join(places),
        lines,
        note=_note(step, words),
    )


def _note(step: Step, words: Catalogue) -> str:
    """Return what is said below a step: why it is not verified, or that a 0 stands for a rest of rounding."""
    if not step.verified:
        return _reason(step.reason, words)
    return words("rest", size=f"{max(step.rests):.1e}") if step.rests else ""


def ends(latex: str) -> tuple[str, str]:
    """Return the first and the last side of an equation."""
    left, right = sides(latex)
    return (left, right[-1]) if left else ("", latex)


def parts(latex: str) -> list[str]:
    """Split an equation into lines: the left-hand side with the first right-hand side, then the rest."""
    left, right = sides(latex)
    return [latex] if not left else [f"{left} = {right[0]}", *(f"= {side}" for side in right[1:])]


def _line(line: Line, words: Catalogue) -> Item:
    return Item(
        words.math(line.latex),
        "",
        "",
        "",
        _verdict(line, words),
        line.ok,
        "",
        title="$".join(words.math(p) if k % 2 else p for k, p in enumerate(line.title.split("$"))),
        note="" if line.ok else _reason(line.reason, words),
    )


def _reason(reason: str, words: Catalogue) -> str:
    return words["deviates"] if reason == "deviates" else in_text(reason)


def _verdict(step: Step | Line, words: Catalogue, brief: bool = False) -> str:
    good = step.verified if isinstance(step, Step) else step.ok
    if step.error is None or not (good or step.reason):
        return words["not_verified"]
    text = error_text(step.error)
    return text if good and brief else words("verified" if good else "wrong", error=text)


def error_text(error: float) -> str:
    """Return a deviation as text: 0, or its order of magnitude."""
    return "0" if error == 0 else f"{error:.0e}" if np.isfinite(error) else "∞"


def _summary(derivation: Account, words: Catalogue) -> Section:
    rows = []
    for step in derivation.backward:
        left, right = ends(step.formula)
        size = float(np.linalg.norm(np.ravel(step.displayed)))
        rows.append(
            (
                f"{MATH}{_variable(step)}",
                words.math(f"{MATH}{left} = {right}"),
                shape_text(step.shape),
                f"{MATH}{number(size)}",
            )
        )
    head = (words["variable"], words["gradient"], words["shape"], words["norm"])
    kept = [
        row
        for row, step in zip(rows, derivation.backward, strict=True)
        if step.parameter or derivation.level != "brief"
    ]
    return Section(
        "summary",
        words["summary"],
        (words["intro_summary"],),
        (),
        (Table(head, _folded_rows(tuple(kept), derivation)),),
    )


def _variable(step: Step) -> str:
    latex = step.symbol
    if latex.startswith(r"\delta"):
        return "z" + latex.removeprefix(r"\delta")
    return latex.removeprefix(r"\frac{\partial L}{\partial ").removesuffix("}")


def _check(derivation: Account, words: Catalogue) -> Section:
    count, verified = derivation.equations(), derivation.equations_verified()
    good = verified == count
    sentence = (
        words("verdict_good", count=count, worst=error_text(derivation.worst))
        if good
        else words("verdict_bad", count=count, verified=verified, missing=count - verified)
    )
    paragraphs = [words["intro_check"], sentence]
    if derivation.unused:
        paragraphs.append(words("unused", names=", ".join(map(in_text, derivation.unused))))
    rows = derivation.confirmations
    if rows:
        paragraphs.append(words["confirm_all" if not rows[0].name else "confirm_intro"])
    head = (words["variable"], words["analytic"], words["numeric"], words["deviation"], "")
    table = Table(head, _folded_rows(tuple(_confirmed(row, words) for row in rows), derivation))
    return Section("check", words["check"], tuple(paragraphs), (), (table,) if rows else ())


def _confirmed(row: Confirmation, words: Catalogue) -> tuple[str, ...]:
    verdict = words["kink"] if row.note else words["confirmed" if row.ok else "not_confirmed"]
    name = f"{MATH}{row.symbol}" if row.name else words["all"]
    return (name, f"{row.analytic:.10g}", f"{row.numeric:.10g}", error_text(row.error), verdict)


def cell_text(cell: str, math: Any) -> str:
    """Return a cell's text: mathematics converted by `math`, text unchanged."""
    return str(math(cell.removeprefix(MATH))) if cell.startswith(MATH) else cell
