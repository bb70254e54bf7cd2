"""The answer of `check`: what was found, as text, as HTML and as plain data."""

from .found import Found
from .html import fragment_of, html_of
from .text import text_of


class CheckReport(Found):
    """The answer of `check`. True where `.ok`; printed, one screen of text."""

    def __str__(self) -> str:
        return text_of(self)

    def to_text(self, lang: str = "en") -> str:
        """Return the report as one screen of text in English or Korean (`lang` "en" or "ko")."""
        return text_of(self, lang)

    def to_html(self, lang: str = "en") -> str:
        """Return the report as a page of HTML in English or Korean (`lang` "en" or "ko")."""
        return html_of(self, lang)

    def _repr_html_(self) -> str:
        return fragment_of(self)
