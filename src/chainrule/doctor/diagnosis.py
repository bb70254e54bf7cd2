"""The result of `doctor`: verdicts, the remedies tried, the table of layers; as text, HTML and plain data."""

from pathlib import Path

from chainrule.base.files import write_text
from chainrule.present.texts import check_lang

from .found import Diagnosed, titled
from .report.html import fragment_of, html_of
from .report.text import text_of
from .watch.event_log import write_diagnosis


class Diagnosis(Diagnosed):
    """The result of `doctor`: true if `.ok`; prints as a table of the layers and the verdicts."""

    def __str__(self) -> str:
        return self.to_text()

    def __repr__(self) -> str:
        found = ", ".join(titled(verdict.code, verdict.layer) for verdict in self.verdicts)
        return f"<Diagnosis of {self.model}: {found}; print it, or call to_html>"

    def to_text(self, lang: str = "en") -> str:
        """Return the report as text, in English ("en") or Korean ("ko")."""
        return text_of(self, check_lang(lang))

    def print(self, lang: str = "en") -> None:
        """Print the report."""
        print(self.to_text(lang))

    def to_html(self, path: str | Path | None = None, lang: str = "en") -> str:
        """Return the report as a self-contained HTML page with SVG plots; write it to `path` if given."""
        page = html_of(self, check_lang(lang))
        if path is not None:
            write_text(path, page)
        return page

    def to_tensorboard(self, folder: str | Path, lang: str = "en") -> Path:
        """Write the table, the histograms, the short training and the report as an event file into a folder.

        Return its path. Measurements from before the training are at step 0. TensorBoard need not be installed.
        """
        return write_diagnosis(self, folder, check_lang(lang))

    def _repr_html_(self) -> str:
        return fragment_of(self)
