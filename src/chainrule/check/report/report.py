"""The result of `check`: the findings as text, HTML and plain data."""

from pathlib import Path

from chainrule.base.files import write_text
from chainrule.present.texts import check_lang

from .found import Checked
from .html import fragment_of, html_of
from .text import text_of

TWO = 2
"""The length of a language's name."""


class CheckReport(Checked):
    """The result of `check`: true if `.ok`; prints as one screen of text."""

    def __str__(self) -> str:
        return text_of(self)

    def __repr__(self) -> str:
        causes = ", ".join(dict.fromkeys(finding.code for finding in self.findings if finding.code))
        return (
            f"<CheckReport of {self.name}: {self.verdict}{f' ({causes})' if causes else ''}; print it, or call to_html>"
        )

    def to_text(self, lang: str = "en") -> str:
        """Return the report as one screen of text in English or Korean (`lang` "en" or "ko")."""
        return text_of(self, lang)

    def to_html(self, path: str | Path | None = None, lang: str = "en") -> str:
        """Return the report as an HTML page in English or Korean (`lang` "en" or "ko"); write it to `path` if given.

        `to_html("ko")` is `to_html(lang="ko")`: a text of two letters is a language.
        """
        if isinstance(path, str) and len(path) == TWO:
            lang = path
            path = None
        page = html_of(self, check_lang(lang))
        if path is not None:
            write_text(path, page)
        return page

    def _repr_html_(self) -> str:
        return fragment_of(self)
