"""Search in Korean: a word is found inside compounds and before particles.

Korean writes particles and compounds without spaces: 역전파 has to be found in 역전파를, and 전파 in 역전파. So a run
of Hangul is indexed by its syllables and by its pairs of neighbouring syllables, and a search looks for all pairs of
what was typed (or for the one syllable). Words in Latin letters are treated as on the English site.
"""

import re
from typing import ClassVar

from sphinx.search.en import SearchEnglish

_HANGUL = re.compile("[가-힣]+")
_WORD = re.compile(r"[가-힣]+|[^\W가-힣]+")


def pairs_of(run: str) -> list[str]:
    """Return the neighbouring syllables of a run of Hangul, in pairs; a single one as it is.

    >>> pairs_of("역전파"), pairs_of("값")
    (['역전', '전파'], ['값'])
    """
    return [run[i : i + 2] for i in range(len(run) - 1)] or [run]


class SearchKorean(SearchEnglish):
    """Pairs of syllables for Hangul, English word stems for the rest.

    >>> SearchKorean({}).split("역전파를 grad로")
    ['역', '전', '파', '를', '역전', '전파', '파를', 'grad', '로']
    """

    lang = "ko"
    language_name = "English"  # whose stemmer the words in Latin letters go through
    # What `split` does, for the words that a reader types; only the pairs are looked for.
    js_splitter_code: ClassVar[str] = r"""
var splitQuery = (query) =>
  (query.match(/[가-힣]+|[\p{Letter}\p{Number}_]+?(?=[가-힣]|[^\p{Letter}\p{Number}_]|$)/gu) || []).flatMap((word) =>
    /^[가-힣]{2,}$/.test(word) ? Array.from({ length: word.length - 1 }, (_, i) => word.slice(i, i + 2)) : [word]);
"""

    def split(self, input: str) -> list[str]:
        """Return the words to index."""
        found = []
        for word in _WORD.findall(input):
            if not _HANGUL.fullmatch(word):
                found.append(word)
                continue
            found += list(word)
            found += pairs_of(word) if len(word) > 1 else []
        return found
