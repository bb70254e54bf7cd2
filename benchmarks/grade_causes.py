"""How often `chainrule grade` names the right cause: submissions with a known mistake, each graded in its box.

Most are the backward passes of the exercises with one thing changed, as many from each topic; some were written by
hand. A cause is right where its code says the kind of the planted mistake. The bar is 95 %.

    python benchmarks/grade_causes.py [--count 60] [--styles] [--lang ko] [--show]
"""

import argparse
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import styles

from chainrule.learn import TOPICS
from chainrule.learn.code import as_written, named_signature
from chainrule.learn.draw import Draw
from chainrule.learn.grade.judge import Mark, grade
from chainrule.learn.grade.spec import PARTIAL, Spec, Task
from chainrule.learn.grade.submissions import Submission
from chainrule.learn.lines import Scene
from chainrule.learn.passes import _is_wrong, _rewritten

CODES = {
    "factor": {"factor", "missing-term", "partial", "detached"},
    "divisor": {"factor", "missing-term", "partial", "detached"},
    "term": {"missing-term", "partial", "detached", "factor"},
    "sign": {"sign"},
    "transposed": {"transposed", "square-only", "axes-swapped"},
    "mean": {"factor", "broadcast-sum"},
    "mask": {"mask", "missing-term", "partial"},
    "sum": {"broadcast-sum", "partial"},
    "point": {"wrong-point", "output-for-input", "missing-term"},
    "argument": {"other-argument"},
}
"""The codes that say the same as each kind of mistake."""


@dataclass(frozen=True)
class Planted:
    """A submission with one mistake, what it is graded against, and the kind of the mistake."""

    name: str
    kind: str
    source: str
    task: Task
    said: str


def _softmax(z: Any) -> Any:
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def _affine(x: Any, w: Any, b: Any) -> Any:
    return x @ w + b


def _relu(x: Any) -> Any:
    return np.maximum(x, 0.0)


def _tanh(x: Any) -> Any:
    return np.tanh(x)


def _scaled(x: Any, gain: Any) -> Any:
    return x * gain


HAND: tuple[tuple[Callable[..., Any], tuple[tuple[int, ...], ...], str, str], ...] = (
    (_affine, ((5, 3), (3, 4), (4,)), "sum", "return g @ w.T, x.T @ g, g[0]"),
    (_affine, ((5, 3), (3, 4), (4,)), "mean", "return g @ w.T, x.T @ g / len(x), g.sum(axis=0)"),
    (_affine, ((4, 4), (4, 4), (4,)), "transposed", "return g @ w, x.T @ g, g.sum(axis=0)"),
    (_affine, ((4, 4), (4, 4), (4,)), "transposed", "return g @ w.T, g.T @ x, g.sum(axis=0)"),
    (_relu, ((4, 5),), "mask", "return g * np.ones_like(x)"),
    (_relu, ((4, 5),), "mask", "return g * (x < 0)"),
    (_tanh, ((4, 5),), "point", "return g * (1 - x**2)"),
    (_tanh, ((4, 5),), "sign", "return -g * (1 - np.tanh(x) ** 2)"),
    (_scaled, ((4, 5), (4, 5)), "argument", "return g * x, g * gain"),
    (_softmax, ((4, 5),), "term", "p = np.exp(z); p = p / p.sum(axis=1, keepdims=True); return g * p"),
)


def by_hand() -> Iterator[Planted]:
    """Yield the mistakes that were written by hand."""
    for k, (function, shapes, kind, body) in enumerate(HAND):
        rng = np.random.default_rng(k)
        inputs = tuple(rng.normal(size=shape) for shape in shapes)
        names = ", ".join(function.__code__.co_varnames[: len(shapes)])
        source = f"import numpy as np\n\ndef asked_backward(g, {names}):\n    {body}\n"
        yield Planted(function.__name__[1:], kind, source, Task("asked", function, inputs), body)


def rewritten(count: int) -> Iterator[Planted]:
    """Yield rewritten passes of the topics in turn: `count`, or as many as there are."""
    draw = Draw("grade causes")
    waiting = {name: iter(draw.shuffled(_rewritten(t.backward))) for name, t in TOPICS.items() if t.backward}
    scenes = {name: TOPICS[name].solution(Draw(name), 4).elsewhere(Draw("other", name)) for name in waiting}
    while waiting and count:
        for name in list(waiting):
            scene = scenes[name]
            assert isinstance(scene, Scene)
            slip = next((s for s in waiting[name] if _is_wrong(scene, s.source, as_written(scene.network))), None)
            if slip is None:
                del waiting[name]
                continue
            yield Planted(name, slip.kind, _source(scene, slip.source), _task(scene), slip.why["en"])
            count -= 1
            if not count:
                break


def _task(scene: Scene) -> Task:
    network, order = as_written(scene.network), list(scene.given)

    def asked(*learned: Any) -> Any:
        values = dict(scene.given) | dict(zip(scene.learned, learned, strict=True))
        return network(*(values[name] for name in order))

    inputs = tuple(np.asarray(scene.given[name], float) for name in scene.learned)
    return Task("asked", named_signature(asked, scene.learned), inputs)


def _source(scene: Scene, backward: str) -> str:
    """A submission that takes only what is learned, because the exercises' passes return no more."""
    fixed = {name: np.asarray(x).tolist() for name, x in scene.given.items() if name not in scene.learned}
    constants = "\n".join(f"{name}_given = np.array({x!r})" for name, x in fixed.items())
    arguments = ", ".join(name if name in scene.learned else f"{name}_given" for name in scene.given)
    return (
        f"import numpy as np\n{constants}\n{backward}\n\n"
        f"def asked_backward(g, {', '.join(scene.learned)}):\n    found = backward({arguments})\n"
        "    found = found if isinstance(found, tuple) else (found,)\n"
        "    return tuple(g * np.asarray(x) for x in found)\n"
    )


def in_styles() -> Iterator[Planted]:
    """Yield the submissions of `styles.py`; the kind of each is its name."""
    for style in styles.ALL:
        task = Task("asked", style.reference, style.inputs, constructor=style.constructor)
        CODES[style.name] = set(style.codes)
        yield Planted(style.reference.__name__, style.name, styles.source_of(style), task, " or ".join(style.codes))


def marked(one: Planted, lang: str) -> Mark:
    """Return the mark of a submission."""
    return grade(Submission(one.name, one.source), Spec((one.task,), PARTIAL), lang).marks[0]


def main() -> None:
    """Grade all of them and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=60)
    parser.add_argument("--styles", action="store_true", help="grade the submissions of styles.py")
    parser.add_argument("--lang", default="en")
    parser.add_argument("--show", action="store_true", help="show each submission whose cause is another")
    options = parser.parse_args()
    began = time.perf_counter()
    planted = [*in_styles()] if options.styles else [*by_hand(), *rewritten(options.count - len(HAND))]
    total, right = Counter[str](), Counter[str]()
    for one in planted:
        mark = marked(one, options.lang)
        good = mark.verdict != "right" and mark.code in CODES[one.kind]
        total[one.kind] += 1
        right[one.kind] += good
        if options.show and (options.styles or not good):
            print(f"{'' if good else 'NOT '}{one.name}, {one.kind}: {one.said}")
            print(f"    {mark.verdict} [{mark.code}] {mark.argument}: {mark.cause}", flush=True)
    for kind, count in sorted(total.items()):
        print(f"{kind:<11} {right[kind]:>3} of {count}")
    share = right.total() / total.total()
    print(f"{'all':<11} {right.total():>3} of {total.total()} ({share:.0%}) in {time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main()
