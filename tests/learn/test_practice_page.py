"""Practice as a page: what is asked, judged, counted and kept, in Python and in a real browser."""

import csv
import http.client
import io
import json
from urllib.parse import urlsplit

import pytest
from tests.command import chainrule
from tests.explore.conftest import SETTLED
from tests.explore.test_page import violations
from tests.named import walked

from chainrule.learn.page.desk import PracticeDesk
from chainrule.learn.page.hub import practice_server
from chainrule.learn.page.texts import TEXT
from chainrule.learn.practice import Practice, as_csv, kept
from chainrule.present.texts import fields_of


@pytest.fixture
def desk(tmp_path):
    return lambda *settings, lang="en": PracticeDesk(Practice(*settings, lang=lang), tmp_path)


def key_of(desk):
    return desk.session.current.key.answer


def test_an_answer_is_judged_once_and_further_tries_are_not_counted(desk, tmp_path):
    asked = desk("neuron", 1)
    assert asked.handle({"do": "look"})["verdict"] is None
    wrong = asked.handle({"do": "answer", "text": "1/8"})
    assert not wrong["verdict"]["right"]
    assert "sign is wrong" in wrong["verdict"]["html"]
    assert wrong["score"].startswith("0 of 1 right")
    again = asked.handle({"do": "answer", "text": "-1/8"})
    assert again["verdict"]["right"]
    assert "Not counted" in again["verdict"]["html"]
    assert again["score"].startswith("0 of 1 right")
    assert [answered.answer for answered in kept(tmp_path)] == ["1/8"]
    assert "One neuron" in again["record"]


def test_the_level_rises_after_two_right_answers_and_the_page_says_so(desk):
    asked = desk("neuron", 5)
    asked.handle({"do": "look"})
    assert "one more in a row" in asked.handle({"do": "answer", "text": key_of(asked)})["score"]
    asked.handle({"do": "next"})
    risen = asked.handle({"do": "answer", "text": key_of(asked)})
    assert "The level rises to 2." in risen["verdict"]["html"]
    assert risen["level"] == 2
    asked.handle({"do": "next"})
    fallen = asked.handle({"do": "answer", "text": "nonsense"})
    assert "The level falls to 1." in fallen["verdict"]["html"]


def test_hints_come_one_by_one_and_the_key_ends_the_counting(desk, tmp_path):
    asked = desk("linear", 1)
    asked.handle({"do": "look"})
    shown = [asked.handle({"do": "hint"}) for _ in range(4)]
    assert [view["hasHint"] for view in shown] == [True, True, False, False]
    assert [view["hints"].count("Hint ") for view in shown] == [1, 2, 3, 3]
    assert "<math" in asked.handle({"do": "key"})["key"]
    asked.handle({"do": "answer", "text": key_of(asked)})
    assert (asked.session.asked, list(kept(tmp_path))) == (0, [])


def test_a_choice_is_answered_by_its_letter(desk):
    asked = desk("linear", 2, 4)
    while asked.session.current is None or asked.session.current.kind not in ("choose", "line"):
        view = asked.handle({"do": "next"})
    assert view["choices"][:2] == ["A", "B"]
    assert asked.handle({"do": "answer", "text": key_of(asked)})["verdict"]["right"]


def test_topic_and_level_change_and_the_score_stays(desk):
    asked = desk("neuron", 1)
    asked.handle({"do": "look"})
    asked.handle({"do": "answer", "text": "0"})
    view = asked.handle({"do": "choose", "topic": "adam", "level": 2})
    assert (view["topic"], view["level"], asked.session.current.topic) == ("adam", 2, "adam")
    assert view["score"].startswith("0 of 1 right")
    assert asked.handle({"do": "choose", "topic": "", "level": 1})["topic"] == ""


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        ({"do": "cheat"}, "do: expected one of"),
        ({}, "do: expected one of"),
        ({"do": "choose", "topic": "sofmax"}, "topic: expected one of"),
        ({"do": "choose", "topic": ["neuron"]}, "topic: expected one of"),
        ({"do": "choose", "level": 6}, "level: expected 1 to 5"),
        ({"do": "choose", "level": True}, "level: expected 1 to 5"),
        ({"do": "answer"}, "text: expected at most"),
        ({"do": "answer", "text": 3}, "text: expected at most"),
        ({"do": "answer", "text": "1" * 5000}, "text: expected at most"),
    ],
)
def test_a_wrong_request_is_refused(desk, request_, said):
    asked = desk("neuron", 1)
    asked.handle({"do": "look"})
    with pytest.raises(ValueError, match=said):
        asked.handle(request_)
    assert asked.session.asked == 0


def test_what_was_typed_is_escaped(desk):
    asked = desk("neuron", 1)
    asked.handle({"do": "look"})
    assert "<script" not in json.dumps(asked.handle({"do": "answer", "text": "<script>alert(1)</script>"}))


def test_an_answer_that_cannot_be_kept_is_still_judged(tmp_path):
    (tmp_path / "file").write_text("", encoding="utf-8")
    asked = PracticeDesk(Practice("neuron", 1), tmp_path / "file")
    asked.handle({"do": "look"})
    judged = asked.handle({"do": "answer", "text": "-1/8"})["verdict"]
    assert judged["right"]
    assert "could not be kept" in judged["html"]


def test_answers_are_exported_as_csv_and_no_cell_is_a_formula(desk, tmp_path):
    asked = desk("neuron", 1)
    asked.handle({"do": "look"})
    asked.handle({"do": "answer", "text": "=HYPERLINK(1)"})
    file = asked.handle({"do": "export"})["file"]
    assert file["text"] == as_csv(kept(tmp_path))
    (row,) = csv.DictReader(io.StringIO(file["text"]))
    assert row["topic"] == "neuron"
    assert not row["answer"].startswith("=")


def test_texts_take_the_same_values_in_both_languages():
    for key, text in TEXT.items():
        assert fields_of(text["en"]) == fields_of(text["ko"]), key


# The server


@pytest.fixture
def served(tmp_path):
    opened = []

    def serve(*settings, lang="en"):
        server = practice_server(lambda: Practice(*settings, lang=lang), folder=tmp_path)
        server.start()
        opened.append(server)
        return server

    yield serve
    for server in opened:
        server.close()


def ask(url, cookie, path, body=None):
    connection = http.client.HTTPConnection("127.0.0.1", urlsplit(url).port, timeout=120)
    headers = {"Cookie": cookie} if cookie else {}
    headers |= {"Content-Type": "application/json"} if body is not None else {}
    connection.request("GET" if body is None else "POST", path, body, headers)
    answer = connection.getresponse()
    content = answer.read().decode()
    connection.close()
    return answer, content


def test_only_the_owner_of_the_link_is_answered_and_two_pages_do_not_disturb_each_other(served):
    server = served("neuron", 1)
    url = server.url()
    for path in ("/", "/practice.js", "/practice.css", "/state"):
        assert ask(url, None, path)[0].status == 403
    entered, _ = ask(url, None, f"/?{urlsplit(url).query}")
    cookie = entered.headers["Set-Cookie"].partition(";")[0]
    assert ask(url, cookie, "/state")[0].status == 400
    first = json.loads(ask(url, cookie, "/act", json.dumps({"page": "a", "do": "look"}))[1])
    ask(url, cookie, "/act", json.dumps({"page": "a", "do": "answer", "text": "-1/8"}))
    other = json.loads(ask(url, cookie, "/act", json.dumps({"page": "b", "do": "look"}))[1])
    assert first["question"] == other["question"]
    assert other["score"].startswith("0 of 0")
    assert json.loads(ask(url, cookie, "/state?page=a")[1]) == {"right": 1, "asked": 1, "level": 1, "topic": "neuron"}
    assert ask(url, cookie, "/act", json.dumps({"page": "../x", "do": "look"}))[0].status == 400
    assert ask(url, cookie, "/explorer.js")[0].status == 404


@walked(
    ("call", "said"),
    [
        (["sofmax"], "no 'sofmax'"),
        (["--port", "70000"], "port: expected 0 to 65535, got 70000"),
        (["--lang", "fr"], "lang"),
    ],
)
def test_a_wrong_setting_is_an_error_of_the_command(call, said):
    shown = chainrule("practice", "--page", "--no-browser", *call)
    assert shown.exit_code == 2
    assert said in shown.stderr


# The browser


class Page:
    """The page with its controls by their names; errors in it fail the test."""

    def __init__(self, page):
        self.page, self.errors = page, []
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", lambda message: message.type == "error" and self.errors.append(message.text))

    def settle(self):
        self.page.evaluate(SETTLED.replace("%s", "window.practice"))

    def open(self, url):
        self.page.goto(url)
        self.page.wait_for_selector("[data-question] > *")
        self.settle()
        return self

    def press(self, name):
        self.page.get_by_role("button", name=name, exact=True).click()
        self.settle()

    def status(self, name):
        return self.page.get_by_role("status", name=name, exact=True).inner_text()

    def answer(self, text):
        field = self.page.get_by_role("textbox")
        field.fill(text)
        field.press("Enter")
        self.settle()


@pytest.fixture
def page(chromium):
    context = chromium.new_context(viewport={"width": 400, "height": 800}, color_scheme="dark")
    made = Page(context.new_page())
    yield made
    context.close()
    assert made.errors == []


def test_a_session_in_the_browser(page, served, tmp_path):
    page.open(served("neuron", 1).url())
    assert page.page.evaluate("document.documentElement.scrollWidth") == 400
    page.press("Check")
    assert "Type an answer first" in page.page.get_by_role("alert").inner_text()
    page.answer("1/8")
    assert "sign is wrong" in page.status("Result")
    page.press("Hint")
    assert page.page.get_by_text("Hint 1.").is_visible()
    page.press("Show the key")
    assert page.page.get_by_role("heading", name="Key").is_visible()
    assert violations(page.page) == []
    page.press("Next question")
    assert page.status("Result") == ""
    assert page.page.get_by_role("textbox").input_value() == ""
    page.page.reload()
    page.settle()
    assert page.status("Score").startswith("0 of 1 right")
    page.page.get_by_text("Your record").click()
    with page.page.expect_download() as download:
        page.press("Save as CSV")
    assert download.value.path().read_text(encoding="utf-8") == as_csv(kept(tmp_path))


@pytest.mark.slow
def test_choices_topics_and_korean_in_the_browser(page, served):
    server = served("linear", 2, 4, lang="ko")
    page.open(server.url())
    while not page.page.get_by_role("radio").count():
        page.press("다음 문제")
    page.press("채점")
    assert "고르십시오" in page.page.get_by_role("alert").inner_text()
    page.page.get_by_role("radio", name="A").check()
    page.press("채점")
    assert page.status("결과")
    assert violations(page.page) == []
    page.page.get_by_role("combobox", name="주제").select_option("adam")
    page.settle()
    assert "Adam" in page.page.get_by_role("heading", level=2).inner_text()
    server.close()
    page.page.get_by_role("button", name="다음 문제").click()
    page.settle()
    assert "Python에서 답이 없습니다" in page.page.get_by_role("alert").inner_text()
    page.errors = [error for error in page.errors if "ERR_" not in error]
