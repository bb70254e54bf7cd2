"""Exercises: keys are right by numerical differentiation, a seed gives the same sheet, mistakes are named."""

import json
import zipfile
from io import BytesIO
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.named import walked

import chainrule as cr
from chainrule.learn import TOPICS
from chainrule.learn.code import as_written, run
from chainrule.learn.draw import Draw
from chainrule.learn.kinds import BY_LEVEL, KINDS, kinds_of
from chainrule.learn.lines import Scene
from chainrule.learn.names import ascii_of
from chainrule.learn.question import Key, Question
from chainrule.learn.tables import CASES, reading
from chainrule.learn.write.blocks import blocks
from chainrule.learn.write.latex import write_latex
from chainrule.learn.write.moodle import write_moodle
from chainrule.learn.write.qti import QTI, write_qti

ALL = [(topic, level, kind) for topic in TOPICS for level in BY_LEVEL for kind in kinds_of(TOPICS[topic], level)]
STEP = 1e-6


def numeric(scene, name):
    """The gradient by central differences of the plain network."""
    value = np.asarray(scene.given[name], float)
    slope = np.zeros(value.shape)
    for index in np.ndindex(value.shape):
        loss = []
        for sign in (1, -1):
            moved = value.copy()
            moved[index] += sign * STEP
            args = {**scene.given, name: moved if value.ndim else float(moved)}
            loss.append(float(as_written(scene.network)(*args.values())))
        slope[index] = (loss[0] - loss[1]) / (2 * STEP)
    return slope


def confirm(exercise):
    """The key's lines and answer against numerical differentiation and the judge."""
    assert exercise.key.worst <= exercise.solution.tolerance
    answer = run(exercise.key.answer, "backward") if exercise.kind == "write" else exercise.key
    assert exercise.check(answer)[0], (exercise.kind, exercise.key.answer)
    if isinstance(exercise.solution, Scene):
        for line in exercise.key.lines:
            name = line.name.removeprefix("d")
            if line.is_gradient and name in exercise.solution.learned:
                np.testing.assert_allclose(line.value, numeric(exercise.solution, name), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("topic", "level", "kind"), ALL, ids=["-".join(map(str, case)) for case in ALL])
def test_the_key_is_right(topic, level, kind):
    confirm(cr.exercise(topic, seed=11, level=level, kind=kind))


@pytest.mark.slow
@pytest.mark.parametrize("topic", TOPICS)
def test_ten_keys_of_each_topic_are_right(topic):
    for seed in range(10):  # each level twice
        confirm(cr.exercise(topic, seed=100 + seed, level=1 + seed % 5))


@pytest.mark.slow
@pytest.mark.parametrize("lang", ["en", "ko"])
def test_a_table_shows_one_of_four_things(lang):
    for seed in range(4):
        exercise = cr.exercise("deep", seed, 4, lang, "table")
        judged = [exercise.check(choice) for choice in "ABCD"]
        assert [right for right, _ in judged].count(True) == 1
        assert len({why for _, why in judged}) == 4
        assert judged["ABCD".index(exercise.key.answer)][1].endswith(str(exercise.key))


@pytest.mark.slow
def test_each_ailment_comes_out_and_no_other():
    readings = [reading(Draw("table", seed), "en") for seed in range(24)]  # each of the five, three times and more
    assert {found.code for found in readings} == CASES.keys()


def test_a_seed_gives_the_same_sheet_for_ever():
    assert [Draw("a", k).integer(0, 999) for k in range(4)] == [562, 172, 699, 42]
    first = cr.exercise("neuron", seed=3)
    assert (first.question, first.key) == (cr.exercise("neuron", seed=3).question, cr.exercise("neuron", seed=3).key)
    assert len({cr.exercise("neuron", seed=k).question for k in range(12)}) > 8


@pytest.mark.slow
def test_both_languages_ask_the_same():
    for topic in TOPICS:
        english, korean = (cr.exercise(topic, 5, 3, lang=lang) for lang in ("en", "ko"))
        assert english.key.answer == korean.key.answer
        assert [b.text for b in blocks(english.question) if b.kind == "math"] == [
            b.text for b in blocks(korean.question) if b.kind == "math"
        ]
        assert any("가" <= c <= "힣" for c in korean.question)


def number_exercise():
    return next(
        ex
        for seed in range(20)
        if (ex := cr.exercise("neuron", seed, 2, kind="compute")).answer.name == "dw" and abs(ex.answer.value) > 0.01
    )


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda v: -v, "sign"),
        (lambda v: 2 * v, "2 times"),
        (lambda v: 7.77, "Not right"),
        (lambda v: -2.4 * v, "Not right"),
        (lambda v: "1,5", "decimal point"),
        (lambda v: "[[1, 2]]", "shape"),
        (lambda v: "os.system('x')", "cannot be read"),
        (lambda v: float("nan"), "finite"),
    ],
)
def test_what_is_said_of_a_wrong_number(change, said):
    exercise = number_exercise()
    right, why = exercise.check(change(exercise.answer.value))
    assert not right
    assert said in why


def test_a_number_may_be_a_fraction_or_rounded():
    exercise = cr.exercise("graph", seed=4)
    value = float(exercise.key.answer)
    assert exercise.check(f"{int(value)}/1")[0]
    assert exercise.check(value * 1.001)[0]
    assert not exercise.check(value * 1.1)[0]


def test_the_missing_factor_is_named():
    exercise = next(
        ex for seed in range(40) if (ex := cr.exercise("neuron", seed, 3, kind="derive")).answer.name == "dw"
    )
    assert exercise.check("dz * x") == (True, "Right: it agrees with the derivation at 3 random points.")
    assert exercise.check(r"\frac{\partial L}{\partial z} \cdot x")[0]
    assert exercise.check("(a - t) * a * (1 - a) * x")[0]
    assert exercise.check("dz") == (False, "The factor x is missing.")
    assert exercise.check("-dz * x") == (False, "The sign is wrong; the size is right.")
    assert exercise.check("dw")[1].startswith("This answer cannot be read: 'dw' has no value here")
    assert exercise.check("(lambda: 1)()")[1].startswith("This answer cannot be read")
    assert exercise.check("9**9**9")[1].startswith("This answer cannot be read")


def test_a_transposed_product_is_named():
    exercise = next(
        ex for seed in range(40) if (ex := cr.exercise("linear", seed, 3, kind="derive")).answer.name == "dW"
    )
    assert exercise.check("x.T @ dY")[0]
    assert "transpose" in exercise.check("dY.T @ x")[1]


def test_a_written_pass_is_judged_with_the_reason():
    exercise = cr.exercise("softmax", seed=2, level=5, kind="write")

    def without_mean(W, b, x, t):
        z = x @ W + b
        e = np.exp(z - z.max(axis=1, keepdims=True))
        dz = e / e.sum(axis=1, keepdims=True) - t
        return x.T @ dz, dz.sum(axis=0)

    right, why = exercise.check(without_mean)
    assert not right
    assert "dW" in why
    assert exercise.check(lambda W, b, x, t: None)[1].startswith("Expected 2 gradients")
    assert "ZeroDivisionError" in exercise.check(lambda W, b, x, t: 1 / 0)[1]
    assert exercise.check("def backward(): pass")[1].startswith("Give the function itself")


@walked(
    ("call", "message"),
    [
        (lambda: cr.exercise("nothing"), "no 'nothing'; there are neuron, activations"),
        (lambda: cr.exercise("neuron", level=0), "level: expected 1 to 5"),
        (lambda: cr.exercise("neuron", lang="de"), "lang: expected one of en, ko"),
        (lambda: cr.exercise("deep", level=5, kind="write"), "deep offers derive at level 5"),
    ],
)
def test_a_wrong_call_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


# The formats, each read by its own consumer


def some(lang="en"):
    kinds = {
        "compute": "neuron",
        "fill": "two-layers",
        "line": "attention",
        "choose": "linear",
        "table": "deep",
        "write": "softmax",
    }
    levels = {"compute": 1, "fill": 3, "line": 4, "choose": 4, "table": 4, "write": 5}
    return [cr.exercise(topic, 1, levels[kind], lang, kind) for kind, topic in kinds.items()]


@pytest.mark.parametrize("lang", ["en", "ko"])
def test_moodle_reads_it(lang):
    quiz = ElementTree.fromstring(write_moodle(some(lang), lang))
    kinds = [question.get("type") for question in quiz]
    assert kinds == ["numerical", "essay", "multichoice", "multichoice", "multichoice", "essay"]
    for question in quiz:
        assert question.findtext("name/text")
        assert question.find("questiontext").get("format") == "html"
        ElementTree.fromstring(f"<div>{question.findtext('questiontext/text')}</div>")
        if question.get("type") in ("numerical", "multichoice"):
            assert [answer.get("fraction") for answer in question.findall("answer")].count("100") == 1


@pytest.mark.slow
def test_qti_is_a_package_of_items_and_the_same_for_ever():
    data = write_qti(some(), "en")
    assert data == write_qti(some(), "en")
    with zipfile.ZipFile(BytesIO(data)) as archive:
        names = archive.namelist()
        manifest = ElementTree.fromstring(archive.read("imsmanifest.xml"))
        listed = {element.get("href") for element in manifest.iter() if element.get("href", "").endswith(".xml")}
        assert listed == {name for name in names if name != "imsmanifest.xml"}
        for name in sorted(listed):
            item = ElementTree.fromstring(archive.read(name))
            assert item.tag == f"{{{QTI}}}assessmentItem"
            response = item.find(f"{{{QTI}}}responseDeclaration").get("identifier")
            asked = {element.get("responseIdentifier") for element in item.iter() if element.get("responseIdentifier")}
            assert asked == {response}


@pytest.mark.slow
def test_a_notebook_runs_with_the_right_answers():
    for exercise in some():
        notebook = json.loads(json.dumps(exercise.to_notebook(key=True)))
        assert (notebook["nbformat"], len({cell["id"] for cell in notebook["cells"]})) == (4, len(notebook["cells"]))
        found = {}
        for cell in notebook["cells"]:
            text = "".join(cell["source"])
            if cell["cell_type"] == "code":
                if exercise.kind == "write" and "backward" in text:
                    text = exercise.key.answer.join(("import numpy as np\n", "\n" + text.split("\n\n\n")[1]))
                text = text.replace('answer = ""', f"answer = {exercise.key.answer!r}")
                *before, last = text.strip().splitlines()
                exec("\n".join(before), found)
                if last.startswith("cr.exercise"):
                    assert eval(last, found)[0], text
                else:
                    exec(last, found)


def test_markdown_and_html_have_hints_and_no_key_unless_asked():
    exercise = cr.exercise("neuron", seed=1)
    for text in (exercise.to_markdown(), exercise.to_html()):
        assert text.count("<summary>") == 3
        assert "Key" not in text
    assert "Key" in exercise.to_markdown(key=True)
    assert "<script" not in exercise.to_html(key=True)


@pytest.mark.slow
@settings(max_examples=15)
@given(st.text(max_size=60))
@example("²")  # a digit to Python, and no number
def test_no_answer_breaks_the_judge(text):
    for exercise in (cr.exercise("neuron", 1), cr.exercise("neuron", 1, 3), cr.exercise("linear", 1, 4, kind="choose")):
        right, why = exercise.check(text)
        assert isinstance(right, bool)
        assert why


def test_names_in_ascii():
    assert ascii_of(r"\frac{\partial L}{\partial \gamma}") == "dgamma"
    assert KINDS.keys() == {kind for kinds in BY_LEVEL.values() for kind in kinds}


def test_a_chain_is_broken_between_its_sides_only():
    text = r"a = \sum_{i = 1}^{n} x_i = \left[ b = c \right] = d"
    exercise = Question("t", "compute", 1, 0, "en", "t", f"$$\n{text}\n$$", Key("1", ()), ("", "", ""), None, None)
    assert r"a &= \sum_{i = 1}^{n} x_i \\" + "\n" + r"&= \left[ b = c \right] \\" in write_latex([exercise], "en")


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["fill", "derive"])
def test_no_question_contains_its_answer(kind):
    for topic, found in TOPICS.items():
        level = next(level for level in BY_LEVEL if kind in kinds_of(found, level))
        for seed, lang in ((0, "en"), (1, "ko")):
            ex = cr.exercise(topic, seed, level, lang, kind)
            assert ex.key.answer not in ex.question, topic
            assert ex.check(ex.key)[0]
