"""A sheet as Moodle's XML question format, which a course imports: numerical, multiple choice, essay.

The format: https://docs.moodle.org/en/Moodle_XML_format. Arrays and formulas have many right spellings, and a program
is none of Moodle's types: these become essays, with the key for whoever grades.
"""

from collections.abc import Sequence
from xml.etree.ElementTree import Element, SubElement, indent, tostring

import numpy as np

from chainrule.learn.answers import CLOSE, ChoiceAnswer, NumberAnswer, letter
from chainrule.learn.question import Question

from .blocks import blocks
from .html import as_html


def write_moodle(exercises: Sequence[Question], _lang: str, *, key: bool = True) -> str:
    """Return the XML document; it has the answers, since Moodle grades, and the solutions as feedback, if `key`."""
    quiz = Element("quiz")
    for number, exercise in enumerate(exercises, 1):
        quiz.append(_question(exercise, number, key))
    indent(quiz)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + tostring(quiz, encoding="unicode") + "\n"


def _question(exercise: Question, number: int, key: bool) -> Element:
    kind = _kind(exercise)
    question = Element("question", type=kind)
    _text(SubElement(question, "name"), f"{number:02d} {exercise.title}")
    _text(SubElement(question, "questiontext", format="html"), _html(exercise.question))
    _text(SubElement(question, "generalfeedback", format="html"), _html(str(exercise.key)) if key else "")
    SubElement(question, "defaultgrade").text = "1"
    if kind == "numerical":
        _numerical(question, exercise)
    elif kind == "multichoice":
        _multichoice(question, exercise)
    else:
        SubElement(question, "responseformat").text = "monospaced"
        _text(SubElement(question, "graderinfo", format="html"), _html(f"`{exercise.key.answer}`\n\n{exercise.key}"))
    for hint in exercise.hints:
        _text(SubElement(question, "hint", format="html"), _html(hint))
    return question


def _kind(exercise: Question) -> str:
    match exercise.answer:
        case ChoiceAnswer():
            return "multichoice"
        case NumberAnswer(value=value) if np.ndim(value) == 0:
            return "numerical"
    return "essay"


def _numerical(question: Element, exercise: Question) -> None:
    value = float(exercise.answer.value) if isinstance(exercise.answer, NumberAnswer) else 0.0
    answer = SubElement(question, "answer", fraction="100")
    SubElement(answer, "text").text = exercise.key.answer
    SubElement(answer, "tolerance").text = f"{CLOSE * abs(value) or CLOSE:.3g}"


def _multichoice(question: Element, exercise: Question) -> None:
    SubElement(question, "single").text = "true"
    SubElement(question, "shuffleanswers").text = "false"
    SubElement(question, "answernumbering").text = "none"
    assert isinstance(exercise.answer, ChoiceAnswer)
    for k, reason in enumerate(exercise.answer.reasons):
        answer = SubElement(question, "answer", fraction="100" if k == exercise.answer.right else "0", format="html")
        SubElement(answer, "text").text = letter(k)
        _text(SubElement(answer, "feedback", format="html"), _html(reason))


def _html(markdown: str) -> str:
    return "".join(as_html(block) for block in blocks(markdown))


def _text(parent: Element, text: str) -> None:
    SubElement(parent, "text").text = text
