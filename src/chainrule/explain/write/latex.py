r"""A derivation as a LaTeX document: amsmath, amssymb, longtable; kotex where it is Korean."""

import re
from collections.abc import Iterator

from chainrule.explain.derive.steps import Account
from chainrule.present.escape import latex
from chainrule.present.unicode_math import to_unicode

from .sections import MATH, Item, Table, footer, heading, parts, sections

PREAMBLE = r"""\documentclass[a4paper,11pt]{article}
\usepackage[margin=2.2cm]{geometry}
\usepackage{amsmath,amssymb,longtable}
%s\allowdisplaybreaks
\setlength{\parindent}{0pt}
\setlength{\parskip}{4pt}
"""
HANGUL_FONTS = (
    *("NanumMyeongjo", "Noto Serif CJK KR", "UnBatang", "Baekmuk Batang", "AppleMyungjo", "Batang"),
    *("NanumGothic", "Noto Sans CJK KR", "UnDotum", "Apple SD Gothic Neo", "Malgun Gothic"),
)
"""The first of these that is installed is used; kotex's own choice is often not, and its letters would be left out."""
WIDE = 84
"""A longer line of numbers does not fit between the margins."""
_CONTINUED = r"= \quad {} "
"""How a line begins that goes on with the terms of the one before."""
LONG = 90
"""A longer right-hand side goes on its own line."""
_SPECIAL = {
    **{"&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}"},
    **{"~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "\\": r"\textbackslash{}"},
    **{"<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}"},
    **{"✓": r"$\checkmark$", "✗": r"$\times$", "×": r"$\times$", "→": r"$\to$", "·": r"$\cdot$", "δ": r"$\delta$"},
    **{"…": r"\ldots{}", "∞": r"$\infty$"},
}
_SPECIAL |= {"₀₁₂₃₄₅₆₇₈₉"[k]: f"$_{k}$" for k in range(10)}
_MATRIX = re.compile(r"\\begin\{pmatrix\}(.*?)\\end\{pmatrix\}", re.DOTALL)
_UNSAFE = re.compile("|".join(map(re.escape, _SPECIAL)))


def write_latex(derivation: Account) -> str:
    """Return the whole document."""
    lines = [PREAMBLE % (hangul() if derivation.lang == "ko" else "")]
    lines += [r"\begin{document}", rf"\section*{{{escape(heading(derivation))}}}", ""]
    for section in sections(derivation):
        lines.append(rf"\subsection*{{{escape(section.heading)}}}")
        lines += [line for paragraph in section.paragraphs for line in (escape(paragraph), "")]
        for item in section.items:
            lines += _item(item)
        for table in section.tables:
            lines += _table(table)
    lines += [rf"\bigskip\emph{{{escape(footer(derivation))}}}", r"\end{document}"]
    return latex("\n".join(lines) + "\n")


def hangul() -> str:
    """Return the lines that let XeLaTeX and LuaLaTeX write Korean in a font that is installed."""
    chosen = ""
    for font in reversed(HANGUL_FONTS):
        chosen = rf"\IfFontExistsTF{{{font}}}{{\setmainhangulfont{{{font}}}\setmonohangulfont{{{font}}}}}{{{chosen}}}"
    return "\n".join((r"\usepackage{kotex}", rf"\ifdefined\setmainhangulfont {chosen}\fi", ""))


def escape(text: str) -> str:
    r"""Escape LaTeX's special characters in text; mathematics between dollars is left unchanged.

    >>> print(escape("50 % of W_1"))
    50 \% of W\_1
    """
    pieces = text.split("$")
    safe = [p if k % 2 else _UNSAFE.sub(lambda m: _SPECIAL[m[0]], p) for k, p in enumerate(pieces)]
    return "".join(f"${p}$" if k % 2 else p for k, p in enumerate(safe))


def _item(item: Item) -> Iterator[str]:
    if not item.latex:
        yield from (rf"\emph{{{escape(item.note)}}}", "")
        return
    for line in item.lines:
        if line.title:
            yield escape(f"{line.title}:")
        yield from _display([*parts(line.latex)], _mark(line))
    shown = parts(item.latex)
    shown += _fitting(item.numbers) if item.numbers else []
    shown += [f"= {item.value}"] if item.value and item.value != item.numbers else []
    yield from _display(shown, _mark(item))
    details = " \\quad ".join(escape(part) for part in (item.shape, item.where, item.note) if part)
    if details:
        yield from (rf"{{\small {details}}}", "")


def _fitting(numbers: str) -> Iterator[str]:
    r"""Yield a right-hand side in numbers, its terms on lines of their own where they are too wide for one.

    Nothing if one of them is too wide for that: the equation and its value say the same.
    """
    if _width(numbers) <= WIDE:
        yield f"= {numbers}"
        return
    terms = list(_terms(numbers))
    if max(map(_width, terms)) <= WIDE:
        yield from terms


def _width(latex: str) -> int:
    """Return the number of letters beside each other; of a matrix, those of its widest row, with its gaps."""

    def widest(found: re.Match[str]) -> str:
        row = max(found[1].split(r"\\"), key=len)
        return f"({row}" + ")." * (row.count("&") + 1)

    return len(to_unicode(_MATRIX.sub(widest, latex)))


def _terms(numbers: str) -> Iterator[str]:
    """Yield the terms of a sum, each as a line."""
    depth, start, sign = 0, 0, "= "
    for found in re.finditer(r"\\left|\\right|\\begin|\\end|[(){}\[\]]| \+ ", numbers):
        mark = found[0]
        depth += (mark in {r"\begin", "(", "{", "["}) - (mark in {r"\end", ")", "}", "]"})
        if mark == " + " and depth == 0:
            yield f"{sign}{numbers[start : found.start()]}"
            start, sign = found.end(), f"{_CONTINUED}+ "
    yield f"{sign}{numbers[start:]}"


def _display(shown: list[str], mark: str) -> Iterator[str]:
    """Yield the lines of an equation, one per right-hand side, with its verdict at the right."""
    yield r"\begin{align*}"
    rows = [_aligned(part) for part in shown]
    rows[-1] += rf" && \text{{\small {mark}}}"
    yield " \\\\\n".join(rows)
    yield r"\end{align*}"


def _aligned(part: str) -> str:
    if part.startswith(_CONTINUED):
        return f"  &{part.removeprefix('= ')}"
    if part.startswith("= "):
        return f"  &{part}"
    left, equals, right = part.partition(" = ")
    if "[" in left or not equals:
        return f"  & {part}"
    return f"  {left} &= {right}" if len(part) < LONG or len(left) < LONG // 2 else f"  & {part}"


def _mark(item: Item) -> str:
    return escape(f"{'✓' if item.is_good else '✗'} {item.verdict}")


def _table(table: Table) -> Iterator[str]:
    yield rf"\begin{{longtable}}{{{'l' * len(table.head)}}}"
    yield " & ".join(rf"\textbf{{{escape(cell)}}}" for cell in table.head) + r" \\ \hline"
    for row in table.rows:
        yield " & ".join(_cell(cell) for cell in row) + r" \\"
    yield r"\end{longtable}"


def _cell(cell: str) -> str:
    return f"${cell.removeprefix(MATH)}$" if cell.startswith(MATH) else escape(cell)
