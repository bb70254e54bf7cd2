"""A sheet as a QTI 2.1 package (IMS Question and Test Interoperability), which Canvas imports: a ZIP archive.

Each exercise is an `assessmentItem`; numbers and choices are graded by the standard templates, all else is extended
text for a person to grade.
"""

import io
import zipfile
from collections.abc import Sequence
from xml.etree.ElementTree import Element, SubElement, fromstring, indent, tostring

import numpy as np

from chainrule.learn.answers import CLOSE, ChoiceAnswer, NumberAnswer, letter
from chainrule.learn.question import Question

from .blocks import blocks
from .html import as_html

QTI = "http://www.imsglobal.org/xsd/imsqti_v2p1"
PACKAGE = "http://www.imsglobal.org/xsd/imscp_v1p1"
_MATCH = "http://www.imsglobal.org/question/qti_v2p1/rptemplates/match_correct"
_EARLY = (1980, 1, 1, 0, 0, 0)
"""The archive's dates: the same exercises give the same bytes."""


def write_qti(exercises: Sequence[Question], lang: str) -> bytes:
    """Return the archive: a manifest and one file per exercise."""
    items = {f"exercise-{k:03d}": _item(exercise, f"exercise-{k:03d}", lang) for k, exercise in enumerate(exercises, 1)}
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        for name, element in {"imsmanifest": _manifest(list(items)), **items}.items():
            indent(element)
            text = '<?xml version="1.0" encoding="UTF-8"?>\n' + tostring(element, encoding="unicode") + "\n"
            file.writestr(zipfile.ZipInfo(f"{name}.xml", _EARLY), text)
    return archive.getvalue()


def _manifest(names: Sequence[str]) -> Element:
    manifest = Element("manifest", xmlns=PACKAGE, identifier="chainrule-exercises")
    SubElement(SubElement(manifest, "metadata"), "schema").text = "IMS Content"
    SubElement(manifest, "organizations")
    resources = SubElement(manifest, "resources")
    for name in names:
        resource = SubElement(resources, "resource", identifier=name, type="imsqti_item_xmlv2p1", href=f"{name}.xml")
        SubElement(resource, "file", href=f"{name}.xml")
    return manifest


def _item(exercise: Question, name: str, lang: str) -> Element:
    settings = {"xml:lang": lang, "adaptive": "false", "timeDependent": "false"}
    item = Element("assessmentItem", {"xmlns": QTI, "identifier": name, "title": exercise.title, **settings})
    body = Element("itemBody")
    for block in blocks(exercise.question):
        body.append(fromstring(f"<div>{as_html(block)}</div>"))
    match exercise.answer:
        case ChoiceAnswer(right=right, reasons=reasons):
            _declare(item, "identifier", letter(right))
            interaction = SubElement(
                body, "choiceInteraction", responseIdentifier="RESPONSE", shuffle="false", maxChoices="1"
            )
            for k in range(len(reasons)):
                SubElement(interaction, "simpleChoice", identifier=letter(k)).text = letter(k)
            processing = Element("responseProcessing", template=_MATCH)
        case NumberAnswer(value=value) if np.ndim(value) == 0:
            _declare(item, "float", exercise.key.answer)
            entry = SubElement(SubElement(body, "p"), "textEntryInteraction", responseIdentifier="RESPONSE")
            entry.set("expectedLength", "12")
            processing = _near(CLOSE)
        case _:
            _declare(item, "string", None)
            SubElement(body, "extendedTextInteraction", responseIdentifier="RESPONSE", expectedLines="12")
            processing = Element("")
    SubElement(item, "outcomeDeclaration", identifier="SCORE", cardinality="single", baseType="float")
    item.append(body)
    if processing.tag:
        item.append(processing)
    return item


def _declare(item: Element, kind: str, right: str | None) -> None:
    declared = SubElement(item, "responseDeclaration", identifier="RESPONSE", cardinality="single", baseType=kind)
    if right is not None:
        SubElement(SubElement(declared, "correctResponse"), "value").text = right


def _near(tolerance: float) -> Element:
    """A relative tolerance in per cent, as QTI's `equal` has it."""
    processing = Element("responseProcessing")
    branch = SubElement(SubElement(processing, "responseCondition"), "responseIf")
    share = f"{100 * tolerance:g}"
    equal = SubElement(branch, "equal", toleranceMode="relative", tolerance=f"{share} {share}")
    SubElement(equal, "variable", identifier="RESPONSE")
    SubElement(equal, "correct", identifier="RESPONSE")
    SubElement(SubElement(branch, "setOutcomeValue", identifier="SCORE"), "baseValue", baseType="float").text = "1"
    return processing
