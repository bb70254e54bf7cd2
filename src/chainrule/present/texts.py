"""The texts of a report in both languages, in one shape: a key, and under it the text in English and in Korean.

A text names what is put into it: `{loss:.4g}`. In Korean a particle that depends on the word before it stands in braces
as well, in its form after a consonant: `{name}{을}`.
"""

from collections.abc import Mapping
from string import Formatter
from typing import Any

from .josa import PARTICLES, josa

LANGUAGES = ("en", "ko")
Texts = Mapping[str, Mapping[str, str]]

SHARED: Texts = {
    "unmeasured": {"en": "not measured", "ko": "측정 안 됨"},
    "numbers": {"en": "The numbers", "ko": "수치 보기"},
    "no value": {"en": "no value", "ko": "값 없음"},
    "largest": {"en": "The {shown} largest of {total}.", "ko": "{total}개 중 가장 큰 {shown}개입니다."},
    "evenly": {
        "en": "{shown} of {total} rows, at equal distances.",
        "ko": "{total}행 중 같은 간격으로 고른 {shown}행입니다.",
    },
}
"""What every page says of its pictures and tables."""


def check_lang(lang: str, where: str = "") -> str:
    """Return `lang`; raise a ValueError unless there are texts in it."""
    if lang not in LANGUAGES:
        raise ValueError(f"{where}lang: expected one of {', '.join(LANGUAGES)}, got {lang!r}")
    return lang


class Words:
    """The texts of a catalogue in one language: `words[key]` as it stands, `words(key, name=value)` with values in it.

    >>> words = Words({"cut": {"en": "{name} cuts the path", "ko": "{name}{이} 경로를 끊습니다"}}, "ko")
    >>> words("cut", name="detach"), words("cut", name="sum")
    ('detach가 경로를 끊습니다', 'sum이 경로를 끊습니다')
    """

    def __init__(self, catalogue: Texts, lang: str, where: str = "") -> None:
        self.catalogue, self.lang = catalogue, check_lang(lang, where)

    def __contains__(self, key: str) -> bool:
        return key in self.catalogue

    def __getitem__(self, key: str) -> str:
        return self.catalogue[key][self.lang]

    def get(self, key: str, otherwise: str) -> str:
        """Return a text, or another one where there is none."""
        return self.catalogue.get(key, {}).get(self.lang, otherwise)

    def __call__(self, key: str, /, **fields: Any) -> str:
        """Return a text with values in it; a float that is not a number is said to be unmeasured."""
        unmeasured = _Unmeasured(SHARED["unmeasured"][self.lang])
        return filled(self[key], **{k: unmeasured if _is_nan(x) else x for k, x in fields.items()})


def filled(text: str, /, *values: Any, **fields: Any) -> str:
    """Return a text with values in its fields, and Korean particles in the form that follows them.

    >>> filled("{0}{과} {1:.1f}{으로}", "기울기", 0.5)
    '기울기와 0.5로'
    """
    said = ""
    formatter = Formatter()
    for literal, name, form, conversion in formatter.parse(text):
        said += literal
        if name in PARTICLES:
            said += josa(said, name)
        elif name is not None:
            value = formatter.convert_field(formatter.get_field(name, values, fields)[0], conversion)
            said += formatter.format_field(value, form or "")
    return said


def fields_of(text: str) -> set[str]:
    """Return the names of the values that a text takes."""
    return {name for _, name, _, _ in Formatter().parse(text) if name} - PARTICLES.keys()


def _is_nan(value: Any) -> bool:
    return isinstance(value, float) and value != value


class _Unmeasured(str):
    """Stands in a sentence for a figure that there is none of, whatever its format."""

    def __format__(self, form: str) -> str:
        return str(self)
