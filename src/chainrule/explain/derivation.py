"""`Derivation`: the steps of a derivation, and its output as text, Markdown, LaTeX and HTML."""

from pathlib import Path

from chainrule.base.files import write_text as write_file

from .derive.steps import Account, Step
from .write.catalogue import Catalogue
from .write.html import write_fragment, write_html
from .write.latex import write_latex
from .write.markdown import write_markdown
from .write.text import write_text

__all__ = ["Derivation", "Step"]


class Derivation(Account):
    """The derivation of one computation's gradient, step by step, each step verified.

    Prints as text; `to_markdown()`, `to_latex()` and `to_html()` return it in other formats, and write it to a path if
    given one.
    """

    def __str__(self) -> str:
        return self.to_text()

    def __repr__(self) -> str:
        verified, count = self.equations_verified(), self.equations()
        return Catalogue(self.lang)("derivation_repr", title=self.title, verified=verified, count=count)

    def to_text(self) -> str:
        """Return the derivation as plain text, its mathematics in Unicode."""
        return write_text(self)

    def to_markdown(self, path: str | Path | None = None) -> str:
        """Return the derivation as Markdown, its mathematics in LaTeX between dollars."""
        return _written(write_markdown(self), path)

    def to_latex(self, path: str | Path | None = None) -> str:
        """Return the derivation as a LaTeX document: amsmath, amssymb, geometry, longtable (and kotex for Korean)."""
        return _written(write_latex(self), path)

    def to_html(self, path: str | Path | None = None) -> str:
        """Return the derivation as one self-contained HTML page: MathML, no scripts.

        Without the extra `app`, which converts LaTeX, mathematics is written as text.
        """
        return _written(write_html(self), path)

    def _repr_html_(self) -> str:
        return write_fragment(self)


def _written(text: str, path: str | Path | None) -> str:
    if path is not None:
        write_file(path, text)
    return text
