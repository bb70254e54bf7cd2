"""The page of practice, before anything is asked."""

import json

from chainrule.learn.exercise import LEVELS
from chainrule.learn.topics import TOPICS
from chainrule.present import escape
from chainrule.present.html import Markup, tag
from chainrule.present.texts import LANGUAGES

from .texts import TEXT, words


def page(lang: str) -> str:
    """Return the page: script and style are files next to it."""
    say = words(lang)
    told = json.dumps({key: text[lang] for key, text in TEXT.items()}, ensure_ascii=False).replace("<", "\\u003c")
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("link", rel="stylesheet", href="practice.css"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("title", f"chainrule: {say['title']}"),
    )
    body = tag(
        "body",
        tag("main", _content(lang), class_="chainrule practice"),
        Markup(f'<script type="application/json">{told}</script>'),
        tag("script", type="module", src="practice.js"),
    )
    return escape.page(f"<!doctype html>\n{tag('html', head, body, lang=lang)}\n")


def _content(lang: str) -> list[Markup]:
    say, at = words(lang), LANGUAGES.index(lang)
    topics = [tag("option", say["all topics"], value=""), *_topics(at)]
    levels = [tag("option", level, value=level) for level in LEVELS]
    return [
        tag("h1", say["title"]),
        tag("p", say["said"], class_="soft"),
        tag(
            "div",
            tag("label", tag("span", say["topic"]), tag("select", topics, data_topic=True)),
            tag("label", tag("span", say["level"]), tag("select", levels, data_level=True)),
            tag("p", "", role="status", aria_label=say["score"], data_score=True),
            class_="bar",
        ),
        tag(
            "section",
            tag("h2", "", data_title=True, tabindex=-1),
            tag("div", "", data_question=True),
            tag("form", _form(lang), data_form=True, autocomplete="off"),
            tag("div", "", role="status", aria_label=say["result"], data_verdict=True),
            tag("div", "", aria_live="polite", data_hints=True),
            tag("div", "", data_key=True, tabindex=-1),
            aria_label=say["question"],
        ),
        tag(
            "details",
            tag("summary", say["record"]),
            tag("div", "", data_record=True),
            tag("p", tag("button", say["export"], type="button", data_export=True)),
        ),
        tag("p", "", role="alert", class_="bad", data_error=True),
    ]


def _topics(at: int) -> list[Markup]:
    return [tag("option", topic.title[at], value=name) for name, topic in TOPICS.items()]


def _form(lang: str) -> list[Markup]:
    say = words(lang)
    return [
        tag(
            "label",
            tag("span", say["answer"]),
            tag("textarea", "", rows=1, name="answer", spellcheck="false", data_answer=True),
            data_typed=True,
        ),
        tag("fieldset", tag("legend", say["answer"]), tag("div", "", class_="choices"), data_chosen=True, hidden=True),
        tag(
            "div",
            tag("button", say["check"], type="submit", class_="main"),
            tag("button", say["hint"], type="button", data_hint=True),
            tag("button", say["show key"], type="button", data_show_key=True),
            tag("button", say["next"], type="button", data_next=True),
            class_="buttons",
        ),
    ]
