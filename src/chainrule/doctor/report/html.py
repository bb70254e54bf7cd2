"""A diagnosis as one HTML page that needs nothing else: verdicts, remedies, figures, the table of layers."""

from chainrule.doctor.examine.measure import named_use
from chainrule.doctor.found import Found, Remedy, Verdict
from chainrule.present.escape import CSP
from chainrule.present.escape import html as escape

from . import svg
from .text import COLUMNS, cells_of, remedy_lines, summary
from .words import said

STYLE = """
body { font: 15px/1.5 system-ui, "Noto Sans KR", sans-serif; color: #1f2430 }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.4rem } h2 { font-size: 1.1rem; margin: 1.6rem 0 .3rem }
.sick { color: #b91c1c } .well { color: #15803d } .quiet { color: #5b6475; font-size: 13px }
table { border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums }
td, th { padding: 2px 8px; text-align: right; border-bottom: 1px solid #e4e7ee }
td:first-child, th:first-child, td:nth-child(2), th:nth-child(2) { text-align: left }
pre { background: #f5f6f9; padding: .6rem .8rem; overflow-x: auto; font-size: 13px }
figure { margin: 1rem 0 } figcaption { font-weight: 600 } svg { width: 100%; height: auto }
.wide { overflow-x: auto }
"""
MOST = 64
"""How many layers get a histogram."""


def html_of(d: Found, lang: str) -> str:
    """Return the page."""
    title = escape(said("title", lang, {"name": d.name}))
    state = ("well", said("well", lang)) if d.ok else ("sick", said("sick", lang))
    body = [f'<h1>{title}: <span class="{state[0]}">{state[1]}</span></h1>']
    body.append(f"<p>{escape(summary(d, lang))}</p>")
    body += [_verdict(v, lang) for v in d.verdicts]
    if d.winner is not None:
        body.append(_winner(d.winner, lang))
    body += [f'<p class="quiet">{escape(text)}</p>' for text in d.left_out(lang)]
    body += [*_figures(d, lang), _table(d, lang)]
    head = f'<meta charset="utf-8">{CSP}<meta name="viewport" content="width=device-width"><title>{title}</title>'
    opening = f'<!doctype html>\n<html lang="{lang}"><head>{head}<style>{STYLE}</style></head>'
    return f"{opening}\n<body><main>{''.join(body)}</main></body></html>\n"


def fragment_of(d: Found, lang: str = "en") -> str:
    """Return the report as one element, for a notebook: its style touches nothing else."""
    state = ("well", said("well", lang)) if d.ok else ("sick", said("sick", lang))
    title = escape(said("title", lang, {"name": d.name}))
    body = [f'<h2>{title}: <span class="{state[0]}">{state[1]}</span></h2>']
    body.append(f"<p>{escape(summary(d, lang))}</p>")
    body += [_verdict(v, lang) for v in d.verdicts]
    body += [f'<p class="quiet">{escape(text)}</p>' for text in d.left_out(lang)]
    if d.winner is not None:
        body.append(_winner(d.winner, lang))
    body += [*_figures(d, lang), _table(d, lang)]
    rules = [line.replace("body", ":scope") for line in STYLE.splitlines() if "max-width" not in line]
    return (
        f'<div class="chainrule-doctor" lang="{lang}"><style>@scope {{{"".join(rules)}}}</style>{"".join(body)}</div>'
    )


def _verdict(v: Verdict, lang: str) -> str:
    where = f" [{v.layer}]" if v.layer else ""
    state = "well" if v.code == "healthy" else "sick"
    parts = [f'<h2 class="{state}">{escape(v.code + where)}</h2><p>{escape(v.text(lang))}</p>']
    limit = v.limit(lang)
    if limit:
        parts.append(f'<p class="quiet">{escape(limit)}</p>')
    lines = remedy_lines(v, lang)
    if lines:
        parts.append("<ul>" + "".join(f"<li>{escape(line)}</li>" for line in lines) + "</ul>")
    return "".join(parts)


def _winner(r: Remedy, lang: str) -> str:
    title = f"{said('winner', lang)} {r.text(lang)}"
    return f"<h2>{escape(title)}</h2><pre>{escape(r.diff)}</pre>"


def _figures(d: Found, lang: str) -> list[str]:
    rows = [row for row in d.layers if row.gradient == row.gradient and row.kind != "embedding"]
    names = [named_use(row.name, row.use) for row in rows]
    found = [svg.flow(names, [row.gradient for row in rows], said("figure depth", lang))] if rows else []
    if d.history:
        moments = [(step, norms) for step, _, norms in d.history]
        found.append(svg.heat_map(names, moments, said("figure time", lang), said("step", lang)))
    values = [(row.name, row.histogram) for row in d.layers if row.histogram is not None and row.use == 0][:MOST]
    return [*found, svg.histograms(values, said("figure values", lang))]


def _table(d: Found, lang: str) -> str:
    head = "".join(f"<th>{escape(said(c, lang))}</th>" for c in COLUMNS)
    rows = ("".join(f"<td>{escape(cell)}</td>" for cell in cells_of(row)) for row in d.layers)
    return f'<div class="wide"><table><tr>{head}</tr>{"".join(f"<tr>{row}</tr>" for row in rows)}</table></div>'
