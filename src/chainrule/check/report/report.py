"""The result of `check`: the findings as text, HTML and plain data."""

from .found import Checked
from .html import fragment_of, html_of
from .text import text_of


class CheckReport(Checked):
    """The result of `check`: true if `.ok`; prints as one screen of text."""

    def __str__(self) -> str:
        return text_of(self)

    def to_text(self, lang: str = "en") -> str:
        """Return the report as one screen of text in English or Korean (`lang` "en" or "ko")."""
        return text_of(self, lang)

    def to_html(self, lang: str = "en") -> str:
        """Return the report as an HTML page in English or Korean (`lang` "en" or "ko")."""
        return html_of(self, lang)

    def _repr_html_(self) -> str:
        return fragment_of(self)
