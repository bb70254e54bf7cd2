"""The pages of rules, made from the records: formulas, rules of both modes, kinks, proofs."""

import importlib
import inspect
from collections.abc import Iterator
from dataclasses import dataclass

from texts import TOPICS, words

import chainrule.rules  # noqa: F401 - registers every operation
from chainrule.core.operation import REGISTRY, Kink, Operation
from chainrule.explain.write.catalogue import Catalogue
from chainrule.present.texts import Words

ROOMS = ("elementary", "arrays", "linalg", "fft", "network", "attention")


@dataclass(frozen=True)
class Topic:
    """The records of one file of `rules/`: its room, its name, its first line, and the records by name."""

    room: str
    name: str
    about: str
    records: dict[str, type[Operation]]

    def title(self, lang: str) -> str:
        """Return the name of its file as a title, or what stands for it in Korean."""
        english = self.name.replace("_", " ").capitalize()
        return TOPICS.get(self.name, english) if lang == "ko" else english

    @property
    def page(self) -> str:
        """The name of its page."""
        return f"rules/{self.room}-{self.name}"


def topics() -> list[Topic]:
    """Return the topics by room.

    >>> {name for topic in topics() for name in topic.records} == set(REGISTRY)
    True
    """
    found: dict[str, dict[str, type[Operation]]] = {}
    for name, record in sorted(REGISTRY.items()):
        found.setdefault(record.__module__, {})[name] = record
    made = []
    for module, records in found.items():
        room, name = module.split(".")[2:]
        first = (inspect.getdoc(importlib.import_module(module)) or name).splitlines()[0]
        made.append(Topic(room, name, first, records))
    return sorted(made, key=lambda topic: (ROOMS.index(topic.room), topic.name))


def page_of(name: str) -> str:
    """Return the link to an operation from any page, seen from the root of the site.

    >>> page_of("tanh")
    'rules/elementary-trigonometric.md#tanh'
    """
    _, _, room, file = REGISTRY[name].__module__.split(".")
    return f"rules/{room}-{file}.md#{name.replace(' ', '-')}"


def pages(lang: str) -> Iterator[tuple[str, str]]:
    """Yield the name and the text of every page of rules."""
    say = words(lang)
    found = topics()
    rooms = [room for room in ROOMS if any(topic.room == room for topic in found)]
    yield "rules/index", _index(say, rooms)
    for room in rooms:
        yield f"rules/{room}", _room(say, room, [topic for topic in found if topic.room == room])
    for topic in found:
        body = "\n".join(_operation(say, Catalogue(lang), record) for record in topic.records.values())
        yield topic.page, f"# {topic.title(lang)}\n\n{topic.about}\n\n{body}"


def _index(say: Words, rooms: list[str]) -> str:
    rows = "\n".join(f"- [{say[room]}]({room}.md)" for room in rooms)
    toctree = "\n".join(rooms)
    return f"# {say['rules']}\n\n{say['rules intro']}\n\n{rows}\n\n```{{toctree}}\n:hidden:\n\n{toctree}\n```\n"


def _room(say: Words, room: str, found: list[Topic]) -> str:
    parts = [f"# {say[room]}\n"]
    for topic in found:
        file = topic.page.removeprefix("rules/")
        links = ", ".join(f"[{name}]({file}.md#{name})" for name in topic.records)
        parts.append(f"**[{topic.title(say.lang)}]({file}.md)**: {links}\n")
    toctree = "\n".join(topic.page.removeprefix("rules/") for topic in found)
    parts.append(f"```{{toctree}}\n:hidden:\n\n{toctree}\n```\n")
    return "\n".join(parts)


def _math(latex: str) -> str:
    return f"```{{math}}\n{latex}\n```\n"


def _operation(say: Words, catalogue: Catalogue, record: type[Operation]) -> str:
    formulas = record.formulas()
    parts = [f"## {record.name}\n", _facts(say, record), _math(formulas["primal"]), *_remarks(record)]
    for name, rule in record.rules.items():
        if name not in formulas:
            continue
        kind, _, argument = name.partition("_")
        label = say(f"{kind} of", name=f"`{argument}`") if argument else say[kind]
        parts += [f"{label}:\n", _math(formulas[name]), *_more(rule.__doc__)]
    if record.kinks:
        parts += [f"{say['kinks']}:\n", *[_kink(say, kink) for kink in record.kinks], ""]
    for argument, proof in record.proofs.items():
        lines = [(catalogue.title(step.title), step.latex) for step in proof]
        parts.append(_details(say("proof", name=f"<code>{argument}</code>"), lines))
    if record.derivation:
        lines = [(catalogue.title(step.title), step.latex) for step in record.derivation]
        parts.append(_details(say["derivation"], lines))
    return "\n".join(parts)


def _facts(say: Words, record: type[Operation]) -> str:
    arguments = ", ".join(f"`{'*' * record.variadic}{name}`" for name in record.arguments)
    facts = [f"{say['kind']}: {say.get(f'kind {record.kind}', record.kind)}", f"{say['arguments']}: {arguments}"]
    if record.defaults:
        settings = (
            name if default is inspect.Parameter.empty else f"{name}={_short(default)}"
            for name, default in record.defaults.items()
        )
        facts.append(f"{say['settings']}: " + ", ".join(f"`{text}`" for text in settings))
    facts.append(f"{say['complex']}: {say[f'on complex {record.on_complex.name}']}")
    return " · ".join(facts) + "\n"


def _short(value: object) -> str:
    return getattr(value, "__name__", None) or repr(value)


def _remarks(record: type[Operation]) -> list[str]:
    return _more(record.__doc__)


def _more(docstring: str | None) -> list[str]:
    """What a docstring says after its formula, without examples."""
    paragraphs = inspect.cleandoc(docstring or "").split("\n\n")[1:]
    return [f"{text}\n" for text in paragraphs if not text.lstrip().startswith(">>>")]


def _kink(say: Words, kink: Kink) -> str:
    at, value = (", ".join(f"{x}" for x in values) for values in (kink.at, kink.value))
    return "- " + say("kink", at=at, value=value, reason=kink.reason.rstrip("."))


def _details(summary: str, lines: list[tuple[str, str]]) -> str:
    body = "\n".join(
        f"{k}. {title}\n\n   ```{{math}}\n   {latex}\n   ```\n" for k, (title, latex) in enumerate(lines, 1)
    )
    return f"<details>\n<summary>{summary}</summary>\n\n{body}\n</details>\n"
