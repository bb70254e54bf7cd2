"""The answer of `check`: what was found, as text, as HTML and as plain data."""

import html

from .found import Found
from .html import check_lang, html_of
from .text import text_of


class CheckReport(Found):
    """The answer of `check`. True where `.ok`; printed, one screen of text."""

    def __str__(self) -> str:
        return text_of(self)

    def to_text(self, lang: str = "en") -> str:
        """Return the report as one screen of text in English or Korean (`lang` "en" or "ko")."""
        check_lang(lang)
        return text_of(self, lang)

    def to_html(self, lang: str = "en") -> str:
        """Return the report as a page of HTML in English or Korean (`lang` "en" or "ko"). Needs the extra `app`."""
        return html_of(self, lang)

    def _repr_html_(self) -> str:
        try:
            return html_of(self, page=False)
        except ModuleNotFoundError:  # jinja2 is of the extra `app`
            return f"<pre>{html.escape(str(self))}</pre>"
