"""The page as the server sends it, and as a file of its own."""

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from chainrule.explore.gallery import GALLERY
from chainrule.explore.texts import TEXT
from chainrule.present import escape
from chainrule.present.html import Markup, tag
from chainrule.present.texts import Words

from .assets import script, sheet, text_of
from .shell import shell

GROUND = """
html { color-scheme: light dark; }
body { margin: 0; padding: 1.2rem; color: light-dark(#1f2430, #e6e9ef); background: light-dark(#ffffff, #14171d);
  font: 16px system-ui, "Noto Sans KR", "Apple SD Gothic Neo", "Malgun Gothic", "Noto Sans CJK KR", sans-serif; }
"""
POLICY = (
    "default-src 'none'; style-src 'unsafe-inline' 'self'; img-src data: blob:; base-uri 'none'; form-action 'none'"
)


def config(lang: str, recording: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return what the script is told at the beginning."""
    words = {key: text[lang] for key, text in TEXT.items()}
    return {"words": words, "graphStyle": text_of("graph.css"), **({"recording": recording} if recording else {})}


def served_page(lang: str, with_gallery: bool) -> str:
    """Return the page of the server: script and style are files next to it."""
    return _page(
        lang,
        [tag("link", rel="stylesheet", href="explorer.css")],
        shell(lang, gallery(lang) if with_gallery else None),
        config(lang),
        tag("script", type="module", src="explorer.js"),
    )


def recorded_page(lang: str, recording: Mapping[str, Any]) -> str:
    """Return a page that needs nothing else: script, style and recording are in it, and nothing else may run."""
    code = "\n" + script()
    digest = base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()
    policy = f"{POLICY}; script-src 'sha256-{digest}'"
    head = [
        tag("meta", http_equiv="Content-Security-Policy", content=policy),
        tag("style", Markup(GROUND + sheet())),
    ]
    return _page(lang, head, shell(lang), config(lang, recording), Markup(f'<script type="module">{code}</script>'))


def _page(lang: str, head: Sequence[Markup], body: Markup, told: Mapping[str, Any], last: Markup) -> str:
    data = json.dumps(told, ensure_ascii=False).replace("<", "\\u003c")
    whole = tag(
        "html",
        tag(
            "head",
            tag("meta", charset="utf-8"),
            head,
            tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
            tag("title", f"chainrule: {TEXT['title'][lang]}"),
        ),
        tag("body", tag("main", body), Markup(f'<script type="application/json">{data}</script>'), last),
        lang=lang,
    )
    return escape.page(f"<!doctype html>\n{whole}\n")


def gallery(lang: str) -> Markup:
    """Return the gallery: a button for each network, and its program."""
    words = Words(TEXT, lang)
    cards = (
        tag(
            "li",
            tag(
                "button",
                tag("b", example.title[lang]),
                tag("small", example.said[lang]),
                type="button",
                data_example=example.key,
                aria_label=example.title[lang],
                aria_pressed="false",
            ),
        )
        for example in GALLERY.values()
    )
    codes = (
        tag("details", tag("summary", f"{key}.py"), tag("pre", example.code, tabindex=0), hidden=True, data_code=key)
        for key, example in GALLERY.items()
    )
    return tag(
        "section",
        tag("h2", words["Gallery"]),
        tag("p", words["gallery said"], class_="soft"),
        tag("ul", cards, class_="gallery"),
        codes,
        aria_label=words["Gallery"],
    )
