"""The server: who is answered, and what it makes of requests of every kind."""

import http.client
import json
import signal
import socket
import subprocess
import sys
import threading
import time
from urllib.parse import urlsplit

import pytest

from chainrule.cli import main
from chainrule.explore import session
from chainrule.explore.desk import Desk
from chainrule.explore.gallery import GALLERY
from chainrule.explore.server.guard import BURST, Guard, Refused
from chainrule.explore.server.http import MOST_BODY, Server
from chainrule.explore.server.hub import MOST, Hub

from .conftest import explored


class Client:
    """A program that speaks to the server, with whatever headers it likes."""

    def __init__(self, url):
        self.url = urlsplit(url)
        self.cookie = None

    def ask(self, method, path, body=None, **headers):
        connection = http.client.HTTPConnection("127.0.0.1", self.url.port, timeout=120)
        sent = {name.replace("_", "-"): value for name, value in headers.items() if value is not None}
        if self.cookie and "Cookie" not in sent:
            sent["Cookie"] = self.cookie
        connection.request(method, path, body, sent)
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        return answer.status, answer.headers, content

    def enter(self):
        status, headers, _ = self.ask("GET", f"/?{self.url.query}")
        assert (status, headers["Location"]) == (303, "/")
        assert "HttpOnly" in headers["Set-Cookie"]
        assert "SameSite=Strict" in headers["Set-Cookie"]
        self.cookie = headers["Set-Cookie"].partition(";")[0]
        return self

    def act(self, page="a", **request):
        body = json.dumps({"page": page, **request})
        status, _, content = self.ask("POST", "/act", body, Content_Type="application/json")
        assert status == 200, content
        return json.loads(content)


@pytest.fixture
def url(served):
    return served(explored())


@pytest.fixture
def client(url):
    return Client(url).enter()


def test_a_link_works_once_and_the_cookie_from_then_on(url):
    first, second = Client(url), Client(url)
    first.enter()
    assert first.ask("GET", "/")[0] == 200
    assert first.ask("GET", "/")[0] == 200
    status, _, said = second.ask("GET", f"/?{second.url.query}")
    assert status == 403
    assert b"works once" in said


def test_the_owner_of_the_cookie_may_use_an_old_link(url, client):
    assert client.ask("GET", f"/?{urlsplit(url).query}")[0] == 303


def test_a_glance_at_the_link_does_not_use_it_up(url):
    client = Client(url)
    assert client.ask("HEAD", f"/?{client.url.query}")[0] == 405
    client.enter()


@pytest.mark.parametrize("path", ["/", "/state", "/explorer.js", "/explorer.css", "/?token=guess", "/?token="])
def test_nobody_is_answered_without_the_cookie(url, path):
    assert Client(url).ask("GET", path)[0] == 403
    assert Client(url).ask("GET", path, Cookie="chainrule-1=x; =;")[0] == 403
    assert Client(url).ask("POST", "/act", "{}", Content_Type="application/json")[0] == 403


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:{port}", "127.0.0.1", "127.0.0.1:1", "[::1]:{port}", ""]
)
def test_another_host_is_refused(client, host):
    """A name of another site that was made to point here (DNS rebinding) arrives as the Host."""
    given = host.format(port=client.url.port)
    assert client.ask("GET", "/state", Host=given)[0] == 403
    assert client.ask("POST", "/act", "{}", Host=given, Content_Type="application/json")[0] == 403


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "https://127.0.0.1:{port}", "http://127.0.0.1:1"])
def test_another_origin_is_refused(client, origin):
    given = origin.format(port=client.url.port)
    assert client.ask("GET", "/state", Origin=given)[0] == 403
    assert client.ask("POST", "/act", '{"do": "reset"}', Origin=given, Content_Type="application/json")[0] == 403
    assert client.ask("GET", "/state", Sec_Fetch_Site="cross-site")[0] == 403


def test_its_own_page_is_answered(client):
    own = f"http://127.0.0.1:{client.url.port}"
    assert client.ask("GET", "/state", Origin=own, Sec_Fetch_Site="same-origin")[0] == 200


@pytest.mark.parametrize(
    ("method", "path", "body", "headers", "status"),
    [
        ("POST", "/act", "do=reset", {"Content_Type": "application/x-www-form-urlencoded"}, 415),
        ("POST", "/act", '{"do": "reset"}', {"Content_Type": "text/plain"}, 415),
        ("POST", "/act", "{", {"Content_Type": "application/json"}, 400),
        ("POST", "/act", "[]", {"Content_Type": "application/json"}, 400),
        ("POST", "/act", "[" * 50_000, {"Content_Type": "application/json"}, 400),
        ("POST", "/act", "\xff".encode("latin-1"), {"Content_Type": "application/json"}, 400),
        ("POST", "/act", '{"page": "../x", "do": "look"}', {"Content_Type": "application/json"}, 400),
        ("POST", "/act", " " * (MOST_BODY + 1), {"Content_Type": "application/json"}, 413),
        ("POST", "/act", "{}", {"Content_Type": "application/json", "Content_Length": "-1"}, 411),
        ("POST", "/act", "{}", {"Content_Type": "application/json", "Content_Length": "\xb2"}, 411),
        ("POST", "/", "{}", {"Content_Type": "application/json"}, 404),
        ("GET", "/../../etc/passwd", None, {}, 404),
        ("GET", "/act", None, {}, 404),
        ("PUT", "/", None, {}, 501),
    ],
)
def test_what_is_no_request_of_the_page_is_refused(client, method, path, body, headers, status):
    assert client.ask(method, path, body, **headers)[0] == status
    assert client.ask("GET", "/")[0] == 200


@pytest.mark.parametrize(
    "request_",
    [
        {"do": "__init__"},
        {"do": 3},
        {},
        {"do": "edit", "node": "W1", "index": "00", "value": 1},
        {"do": "edit", "node": "W1", "index": [0, True], "value": 1},
        {"do": "edit", "node": "W1", "index": [0, 0], "value": "1"},
        {"do": "edit", "node": ["W1"], "index": [0, 0], "value": 1},
        {"do": "train", "steps": 10**9},
        {"do": "train", "steps": 1.5},
        {"do": "rule", "lr": float("nan")},
        {"do": "rule", "optimizer": "os.system"},
        {"do": "choose", "node": "x" * 1000},
        {"do": "replay", "log": [{"do": "replay", "log": []}], "position": 0},
        {"do": "replay", "log": "edit", "position": 0},
        {"do": "load", "example": "../../secret"},
        {"do": "load", "example": ["neuron"]},
        {"do": "compare", "with": "nothing"},
    ],
)
def test_a_wrong_action_is_answered_with_what_was_expected(client, request_):
    answer = client.act(**request_)
    assert "expected" in answer["error"]
    assert client.act(do="look")["loss"]["text"]


def test_the_page_may_load_only_what_is_its_own(client):
    _, headers, page = client.ask("GET", "/")
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self'" in policy
    assert "'unsafe-eval'" not in policy
    assert "frame-ancestors 'none'" in policy
    assert headers["Cache-Control"] == "no-store"
    assert b"http://" not in page.replace(b"http://www.w3.org", b"")
    assert b"https://" not in page


def test_numbers_arrive_exactly(client):
    client.act(do="end")
    answer = client.act(do="edit", node="W1", index=[0, 2], value=0.1)
    assert float(answer["loss"]["value"]) == float(answer["loss"]["before"]) + float(answer["loss"]["change"])
    told = json.loads(client.ask("GET", "/state")[2])
    own = explored()
    own.session.edit("W1", (0, 2), 0.1)
    by_name = {node["name"]: node for node in told["nodes"]}
    for box in own.session.run.trained():
        assert by_name[box.name]["gradient"] == box.gradient.tolist()
        assert by_name[box.name]["value"] == box.value.tolist()
    assert told["loss"] == own.session.run.loss
    assert (told["step"], by_name["z1"]["op"], by_name["z1"]["state"]) == (0, "linear", "backward")


def test_two_pages_do_not_disturb_each_other(client):
    client.act("a", do="edit", node="b1", index=[0], value=3.0)
    client.act("b", do="end")
    a, b = (json.loads(client.ask("GET", f"/state?page={page}")[2]) for page in "ab")
    values = [next(n["value"] for n in told["nodes"] if n["name"] == "b1")[0] for told in (a, b)]
    assert values == [3.0, 0.0]
    assert (a["position"], b["position"]) == (0, b["positions"])


@pytest.mark.slow
def test_many_pages_are_not_kept_forever():
    hub = Hub(lambda: Desk(GALLERY["neuron"].session()), "en")
    for k in range(MOST + 3):
        hub.act({"page": f"p{k}", "do": "forward"})
    assert hub.act({"page": "p0", "do": "look"})["position"] == 0
    assert hub.act({"page": f"p{MOST + 2}", "do": "look"})["position"] == 1


def test_long_training_reports_progress_and_can_be_stopped(client, monkeypatch):
    """The training waits at its twentieth step until it was told to stop, however fast the machine is."""
    told, made, step = threading.Event(), [], session.stepped

    def waiting(*arguments):
        made.append(len(made))
        if len(made) == 20:
            told.wait(20)
        return step(*arguments)

    monkeypatch.setattr(session, "stepped", waiting)
    answer = client.act(do="train", steps=1000)
    assert 0 <= answer["busy"]["done"] < answer["busy"]["total"] == 1000
    assert client.act(do="edit", node="b1", index=[0], value=1.0)["error"].startswith("busy")
    answer = client.act(do="stop")
    told.set()
    while "busy" in answer:
        answer = client.act(do="look")
    assert answer["moments"] == 21
    assert client.act(do="undo")["moments"] == 1


def test_a_link_repeats_what_was_done(client):
    client.act(do="edit", node="W1", index=[0, 2], value=0.4)
    client.act(do="train", steps=3, lr=0.2, optimizer="Adam")
    client.act(do="time", index=2)
    client.act(do="seek", position=4)
    before = client.act(do="choose", node="W1")
    link = client.act(do="link")["link"]
    after = client.act("another", do="replay", **link)
    for key in ("position", "index", "moments", "chosen", "rule", "loss"):
        assert after[key] == before[key]


def test_a_flood_is_refused():
    guard = Guard(1)
    refused = 0
    for _ in range(3 * int(BURST)):
        try:
            guard.check({"Host": "localhost:1"})
        except Refused as error:
            refused += error.status == 429
    assert refused > 0


def test_guessing_tokens_is_slowed_down():
    guard = Guard(1)
    statuses = set()
    for _ in range(60):
        with pytest.raises(Refused) as refused:
            guard.admit("guess")
        statuses.add(refused.value.status)
    assert statuses == {403, 429}


def test_a_port_that_is_taken_is_replaced():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        server = Server(Hub(lambda: None, "en"), taken.getsockname()[1])
        assert server.port != taken.getsockname()[1]
        server.close()
    with pytest.raises(ValueError, match="port: expected 0 to 65535, got 70000"):
        Server(Hub(lambda: None, "en"), 70000)


def test_only_this_machine_is_served():
    server = Server(Hub(lambda: None, "en"))
    assert server._http.server_address[0] == "127.0.0.1"
    server.close()


# The command


@pytest.mark.slow
def test_the_command_prints_one_line_serves_and_ends_quietly():
    command = [sys.executable, "-m", "chainrule", "explore", "--no-browser", "--lang", "ko"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        client = Client(process.stdout.readline().strip()).enter()
        page = client.ask("GET", "/")[2].decode()
        assert 'lang="ko"' in page
        assert "뉴런 하나" in page
        assert client.ask("GET", "/state")[0] == 400
        assert client.act(do="load", example="neuron")["position"] == 0
        assert json.loads(client.ask("GET", "/state")[2])["positions"] == 12
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=120)
    assert (process.returncode, out, err) == (0, "", "")


PROGRAM = """
import chainrule as cr

def loss(w: "2", x: "3,2"):
    return cr.tanh(x @ w).sum()
"""


@pytest.fixture
def command(monkeypatch, tmp_path, capsys):
    """Calls the command in an empty folder; returns its exit code and what it printed."""
    monkeypatch.chdir(tmp_path)

    def call(*words):
        monkeypatch.setattr(sys, "argv", ["chainrule", "explore", *words])
        with pytest.raises(SystemExit) as end:
            main()
        return end.value.code, *capsys.readouterr()

    return call


def test_the_command_writes_a_file_that_needs_no_server(command, tmp_path):
    (tmp_path / "net.py").write_text(PROGRAM, encoding="utf-8")
    code, out, err = command("net.py:loss", "--shape", "w=2", "--shape", "x=3,2", "-o", "page.html", "--steps", "2")
    assert (code, out, err) == (0, "explorer: page.html\n", "")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert page.count('"panels"') == 3


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["missing.py:f"], "missing.py"),
        (["--lang", "fr"], "lang: expected one of en, ko"),
        (["--port", "70000"], "port: expected 0 to 65535"),
        (["--optimizer", "none"], "optimizer: expected one of SGD"),
        (["-o", "x.html"], "--out needs something to record"),
    ],
)
def test_a_wrong_call_says_why_on_one_line(command, words, said, tmp_path):
    code, out, err = command("--no-browser", *words)
    assert (code, out) == (2, "")
    assert said in err
    assert err.startswith("error: ")
    assert list(tmp_path.iterdir()) == []


def test_a_silent_connection_does_not_keep_others_waiting(client):
    with socket.create_connection(("127.0.0.1", client.url.port)) as silent:
        silent.sendall(b"POST /act HTTP/1.1\r\n")
        began = time.monotonic()
        assert client.ask("GET", "/")[0] == 200
        assert time.monotonic() - began < 5
