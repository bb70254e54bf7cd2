r"""A sheet as a LaTeX document: amsmath, amssymb, fancyvrb; kotex where it is Korean."""

import re
from collections.abc import Callable, Iterator, Sequence

from chainrule.explain.write.latex import escape as escape_text
from chainrule.explain.write.latex import hangul
from chainrule.learn.question import Question
from chainrule.present.escape import latex

from .blocks import Block, pieces, sheet

PREAMBLE = r"""\documentclass[a4paper,11pt]{article}
\usepackage[margin=2.2cm]{geometry}
\usepackage{amsmath,amssymb}
%s\setlength{\parindent}{0pt}
\setlength{\parskip}{6pt}
\begin{document}
"""
LEVELS = {1: "section*", 2: "subsection*", 3: "subsubsection*"}


def write_latex(exercises: Sequence[Question], lang: str, *, key: bool = False) -> str:
    """Return the document. Hints would give the answers away on paper: they are left out."""
    lines = [PREAMBLE % (hangul() if lang == "ko" else "")]
    for block in sheet(exercises, lang, key=key, hints=False):
        lines += as_latex(block)
    return latex("\n".join([*lines, r"\end{document}"]) + "\n")


def as_latex(block: Block) -> Iterator[str]:
    """Yield the lines of a block."""
    match block.kind:
        case "heading":
            yield rf"\{LEVELS[block.depth]}{{{escape_text(block.text)}}}"
        case "math":
            yield from (r"\begin{equation*}", r"\begin{split}", _split(block.text), r"\end{split}", r"\end{equation*}")
        case "code":
            yield from (r"\begin{verbatim}", block.text, r"\end{verbatim}")
        case _:
            yield from (inline(block.text), "")


def _split(text: str) -> str:
    """Break a chain of equations into lines."""
    left, *sides = _sides(text)
    if not sides:
        return text
    return f"{left} &= " + " \\\\\n&= ".join(sides)


def _sides(text: str) -> list[str]:
    """Split a chain at its signs of equality, but not at those within braces or brackets, as in a sum from i = 1."""
    found, depth = [""], 0
    for part in re.split(r"(\\left\b|\\right\b|\\begin\b|\\end\b|\\[{}]|[{}]| = )", text):
        depth += (part in ("{", r"\left", r"\begin")) - (part in ("}", r"\right", r"\end"))
        if part == " = " and not depth:
            found.append("")
        else:
            found[-1] += part
    return found


def inline(text: str) -> str:
    """Return a paragraph's pieces as LaTeX."""
    made: dict[str, Callable[[str], str]] = {
        **{"text": escape_text, "math": lambda t: f"${t}$", "bold": lambda t: rf"\textbf{{{inline(t)}}}"},
        "code": lambda t: rf"\texttt{{{escape_text(t)}}}",
    }
    return "".join(made[piece.kind](piece.text) for piece in pieces(text))
