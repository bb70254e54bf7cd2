"""Korean particles: which form follows a word depends on whether its last syllable ends in a consonant."""

import re

PARTICLES = {"이": "가", "은": "는", "을": "를", "과": "와", "으로": "로", "이며": "며"}
"""The form after a consonant, and the one after a vowel."""
_SPOKEN = re.compile("[가-힣A-Za-z0-9]+|[∞%ε]")
# Letters and digits by what their Korean names end in: 엘 엠 엔 알; 영 일 삼 육 칠 팔.
_CLOSED_LETTERS = frozenset("lmnrε")
_CLOSED_DIGITS = frozenset("013678")
_CLOSED_WORD = re.compile(r".*(?:[lmn]|[lmn]e|ng|(?<![aeiou])[aeiou](?:p|ck?)|(?<![aeiou])[euo]t|out)")
_CLOSED_BY_L = re.compile("[178lr]|..+le?")


def josa(word: str, particle: str) -> str:
    """Return the form of a particle, named by its form after a consonant, that follows a word.

    An English word is read as a Korean reader would say it: 섬, 소프트맥스.

    >>> [word + josa(word, "을") for word in ("기울기", "값", "sum", "softmax", "x", "3", "exp(x)")]
    ['기울기를', '값을', 'sum을', 'softmax를', 'x를', '3을', 'exp(x)를']
    >>> [word + josa(word, "으로") for word in ("0.5", "서울", "1", "float16")]
    ['0.5로', '서울로', '1로', 'float16으로']
    """
    closed, by_l = _ending(word)
    return particle if closed and not (particle == "으로" and by_l) else PARTICLES[particle]


def _ending(word: str) -> tuple[bool, bool]:
    """Return whether a word ends in a consonant, and whether that is an l, after which `으로` is `로`."""
    spoken = _SPOKEN.findall(word)
    last = spoken[-1][-1] if spoken else ""
    if "가" <= last <= "힣":
        final = (ord(last) - ord("가")) % 28
        return final > 0, final == 8
    if last in _CLOSED_DIGITS:
        return True, last in "178"
    tail = re.split("[^a-z]", spoken[-1].lower())[-1] if spoken else ""
    closed = bool(_CLOSED_WORD.fullmatch(tail)) if len(tail) > 2 else last.lower() in _CLOSED_LETTERS
    return closed and bool(last), bool(_CLOSED_BY_L.fullmatch(tail))
