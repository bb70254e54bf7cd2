"""The gallery: networks to explore without writing code.

Each is a short program, shown next to its network. It is kept as text and run under its own name, so that the explorer
names the lines of the program, as it does for yours.
"""

import linecache
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from chainrule.explore.session import Session
from chainrule.explore.subject import Subject

_TITLES: Mapping[str, tuple[str, str, str, str]] = {
    "neuron": (
        "One neuron",
        "뉴런 하나",
        "A weight, a bias and a sigmoid: the whole backward pass fits on one screen.",
        "가중치와 편향, 시그모이드 하나: 역전파 전체가 한 화면에 들어옵니다.",
    ),
    "two_layers": (
        "Two layers",
        "두 층",
        "Three classes, four points: the gradients of two weight matrices.",
        "세 클래스와 네 점: 두 가중치 행렬의 기울기를 봅니다.",
    ),
    "xor": (
        "XOR",
        "XOR",
        "Four points that no single layer can separate; train it and watch it learn.",
        "한 층으로는 나눌 수 없는 네 점입니다. 학습시키며 지켜보십시오.",
    ),
    "deep_sigmoid": (
        "A deep sigmoid network",
        "깊은 시그모이드 신경망",
        "Twelve sigmoid layers that do not learn. Compare with ReLU, or ask the doctor.",
        "학습되지 않는 시그모이드 12층입니다. ReLU와 비교하거나 진단해 보십시오.",
    ),
    "convolution": (
        "A small convolution",
        "작은 합성곱",
        "One kernel, used at every place: its gradient is a sum over all of them.",
        "모든 위치에서 쓰이는 커널 하나: 기울기는 모든 위치에 대한 합입니다.",
    ),
    "attention": (
        "An attention head",
        "어텐션 헤드",
        "Queries, keys and values of three words, and the weights between them.",
        "세 단어의 질의, 키, 값과 그 사이의 가중치를 봅니다.",
    ),
    "batch_norm": (
        "Batch normalisation",
        "배치 정규화",
        "Change one sample, and every other one changes with it.",
        "샘플 하나를 바꾸면 다른 샘플도 함께 달라집니다.",
    ),
}


@dataclass(frozen=True)
class Example:
    """A network of the gallery: its key, and its title and a sentence about it in both languages."""

    key: str
    title: Mapping[str, str]
    said: Mapping[str, str]

    @property
    def code(self) -> str:
        """The program that makes it."""
        return Path(__file__).with_name(f"{self.key}.txt").read_text(encoding="utf-8")

    def session(self) -> Session:
        """Run the program; return a session with its network."""
        file = f"{self.key}.py"
        code = self.code
        linecache.cache[file] = (len(code), None, code.splitlines(keepends=True), file)
        space: dict[str, Any] = {"__name__": f"gallery_{self.key}"}
        exec(compile(code, file, "exec"), space)
        made = space["explored"]
        subject = Subject(made["subject"], made["args"], made.get("loss"), made.get("target"), made.get("argnums"))
        session = Session(subject, made.get("optimizer"))
        if "lr" in made:
            session.rule = session.first_rule = replace(session.rule, lr=made["lr"])
        return session


GALLERY: Mapping[str, Example] = MappingProxyType(
    {
        key: Example(key, {"en": title, "ko": korean}, {"en": said, "ko": in_korean})
        for key, (title, korean, said, in_korean) in _TITLES.items()
    }
)
"""The networks by their keys, from the smallest on."""
