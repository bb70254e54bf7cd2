"""The output formats of `chainrule explain`."""

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from chainrule.explain.derivation import Derivation
from chainrule.explain.entry import explain
from chainrule.explain.why.way import GradientPath, explain_grad

from .criterion import of_rows
from .targets import InputSource, call_of

FORMATS: Mapping[str, Callable[[Derivation], str]] = MappingProxyType(
    {
        "text": Derivation.to_text,
        "markdown": Derivation.to_markdown,
        "latex": Derivation.to_latex,
        "html": Derivation.to_html,
    }
)
ENDINGS = {".html": "html", ".htm": "html", ".tex": "latex", ".md": "markdown", ".txt": "text"}


def format_of(given: str | None, out: Path | None) -> str:
    """Return the format: as requested, else by the file's extension, else text; ValueError if it is unknown."""
    if given is None:
        ending = "" if out is None else out.suffix.lower()
        if ending and ending not in ENDINGS:
            raise ValueError(f"{out}: expected an ending of {', '.join(ENDINGS)}, got {ending!r}; or add --format")
        return ENDINGS.get(ending, "text")
    if given not in FORMATS:
        raise ValueError(f"--format: expected one of {', '.join(FORMATS)}, got {given!r}")
    return given


def explained(target: str, source: InputSource, lang: str, level: str) -> Derivation:
    """Return the derivation for a target."""
    call = call_of(target, source)
    with of_rows(source.loss, source.target, call.args, call.target):
        return explain(call.subject, *call.args, loss=call.loss, target=call.target, lang=lang, level=level)


def asked(parameter: str, target: str, source: InputSource, lang: str) -> GradientPath:
    """Return why a parameter's gradient is what it is."""
    call = call_of(target, source)
    with of_rows(source.loss, source.target, call.args, call.target):
        return explain_grad(parameter, call.subject, *call.args, loss=call.loss, target=call.target, lang=lang)
