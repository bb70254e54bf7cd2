"""`Derivation`: the steps of a derivation, and its output as text, Markdown, LaTeX and HTML."""

from .derive.steps import Account, Step
from .write.html import write_fragment, write_html
from .write.latex import write_latex
from .write.markdown import write_markdown
from .write.text import write_text

__all__ = ["Derivation", "Step"]


class Derivation(Account):
    """The derivation of one computation's gradient, step by step, each step verified.

    Prints as text; `to_markdown()`, `to_latex()` and `to_html()` return it in other formats.
    """

    def __str__(self) -> str:
        return self.to_text()

    def __repr__(self) -> str:
        verified = self.equations_verified()
        return f"<Derivation of {self.title}: {verified} of {self.equations()} equations verified>"

    def to_text(self) -> str:
        """Return the derivation as plain text, its mathematics in Unicode."""
        return write_text(self)

    def to_markdown(self) -> str:
        """Return the derivation as Markdown, its mathematics in LaTeX between dollars."""
        return write_markdown(self)

    def to_latex(self) -> str:
        """Return the derivation as a LaTeX document: amsmath, amssymb, geometry, longtable (and kotex for Korean)."""
        return write_latex(self)

    def to_html(self) -> str:
        """Return the derivation as one self-contained HTML page: MathML, no scripts.

        Without the extra `app`, which converts LaTeX, mathematics is written as text.
        """
        return write_html(self)

    def _repr_html_(self) -> str:
        return write_fragment(self)
