"""The server: the page, its two files, what the page asks for, and the state for programs."""

import json
import threading
import webbrowser
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Protocol
from urllib.parse import parse_qs, urlsplit

from chainrule.explore.page.assets import script, sheet
from chainrule.explore.page.pages import GROUND, POLICY, served_page

from .guard import Guard, Refused

MOST_BODY = 64 * 1024
"""The most bytes of a request."""
SECONDS = 30.0
"""How long a connection may stay silent."""
_HEADERS = {
    "Content-Security-Policy": f"{POLICY}; script-src 'self'; connect-src 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class Answering(Protocol):
    """What a server asks: its language, and answers for pages and for programs. ValueError: the request is wrong."""

    lang: str

    def act(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Answer a page."""
        ...

    def state(self, page: str | None) -> dict[str, Any]:
        """Return the state of a page."""
        ...


Files = Mapping[str, tuple[str, str]]
"""What is at each path: the text and its type."""


def explorer_files(lang: str, with_gallery: bool) -> Files:
    """Return the explorer's page, script and style."""
    return {
        "/": (served_page(lang, with_gallery), "text/html"),
        "/explorer.js": (script(), "text/javascript"),
        "/explorer.css": (GROUND + sheet(), "text/css"),
    }


class Server:
    """Serves a hub on 127.0.0.1, on a free port if `port` is 0 or taken. `url()` returns a link to the page.

    `files` are the page at "/" and what it loads; the explorer's by default.
    """

    def __init__(self, hub: Answering, port: int = 0, with_gallery: bool = False, files: Files | None = None) -> None:
        self.hub = hub
        files = explorer_files(hub.lang, with_gallery) if files is None else files
        self.files = {path: (text.encode(), kind) for path, (text, kind) in files.items()}
        self._http = self._bound(port)
        self.port = int(self._http.server_address[1])
        self.guard = Guard(self.port)
        self.is_closed = False
        self._thread: threading.Thread | None = None

    def _bound(self, port: int) -> ThreadingHTTPServer:
        if not 0 <= port <= 65535:
            raise ValueError(f"port: expected 0 to 65535, got {port}")
        handler = type("OwnHandler", (Handler,), {"owner": self})
        try:
            return _Http(("127.0.0.1", port), handler)
        except OSError:
            if port == 0:
                raise
            return _Http(("127.0.0.1", 0), handler)

    def url(self) -> str:
        """Return a link to the page with a token of its own: it works once."""
        return f"http://127.0.0.1:{self.port}/?token={self.guard.token()}"

    def browse(self) -> None:
        """Open the page in the browser, with a link of its own."""
        webbrowser.open(self.url())

    def start(self) -> None:
        """Serve in the background, until `close` or the end of the program."""
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.1,), daemon=True)
        self._thread.start()

    def wait(self) -> None:
        """Serve until Ctrl-C, which ends it quietly."""
        try:
            while self._thread is not None and self._thread.is_alive():
                self._thread.join(0.2)
        except KeyboardInterrupt:
            self.close()

    def close(self) -> None:
        """Stop serving and free the port; connections that browsers keep open are not answered any more."""
        self.is_closed = True
        if self._thread is not None:
            self._http.shutdown()
            self._thread.join()
        self._http.server_close()


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a browser that closes a connection is no error."""


class Handler(BaseHTTPRequestHandler):
    """Answers one connection."""

    owner: Server
    protocol_version = "HTTP/1.1"
    timeout = SECONDS
    wbufsize = -1
    """Headers and body leave together: apart, the second would wait for the first to be acknowledged."""
    disable_nagle_algorithm = True

    def log_message(self, format: str, *args: Any) -> None:
        """Print nothing: the command says its link and no more."""

    def do_GET(self) -> None:
        """Answer the page, its files and the state."""
        self._answer(self._get)

    def do_HEAD(self) -> None:
        """Refuse: a HEAD must not use up the token of a link."""
        self._answer(lambda: self._refuse(405))

    def do_POST(self) -> None:
        """Answer what the page asks for."""
        self._answer(self._post)

    def _refuse(self, status: int) -> None:
        raise Refused(status, "expected GET / or POST /act")

    def _answer(self, respond: Any) -> None:
        if self.owner.is_closed:
            self.close_connection = True
            return
        try:
            self.owner.guard.check(self.headers)  # type: ignore[arg-type]
            respond()
        except Refused as refused:
            self.close_connection = True
            self._send(refused.status, str(refused).encode(), "text/plain")
        except ValueError as error:
            self.close_connection = True
            self._send(400, str(error).encode(), "text/plain")

    def _get(self) -> None:
        path = urlsplit(self.path)
        query = parse_qs(path.query)
        if path.path == "/" and "token" in query:
            known = self.owner.guard.is_known(self.headers)  # type: ignore[arg-type]
            cookie = {} if known else {"Set-Cookie": self.owner.guard.admit(query["token"][0])}
            self._send(303, b"", "text/plain", {"Location": "/", **cookie})
            return
        self._known()
        files = self.owner.files
        if path.path == "/state":
            self._json(200, self.owner.hub.state(query.get("page", [None])[0]))
        elif path.path == "/favicon.ico":
            self._send(204, b"", "image/x-icon")
        elif path.path in files:
            self._send(200, *files[path.path])
        else:
            raise Refused(404, "expected /, /state or /act")

    def _post(self) -> None:
        self._known()
        if urlsplit(self.path).path != "/act":
            raise Refused(404, "expected POST /act")
        if self.headers.get_content_type() != "application/json":
            raise Refused(415, "expected application/json")
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal():
            raise Refused(411, "expected a Content-Length")
        if int(length) > MOST_BODY:
            raise Refused(413, f"expected at most {MOST_BODY} bytes")
        try:
            request = json.loads(self.rfile.read(int(length)))
        except (ValueError, RecursionError) as error:
            raise Refused(400, "expected JSON") from error
        if not isinstance(request, dict):
            raise Refused(400, "expected a JSON object")
        self._json(200, self.owner.hub.act(request))

    def _known(self) -> None:
        if not self.owner.guard.is_known(self.headers):  # type: ignore[arg-type]
            raise self.owner.guard.stranger()

    def _json(self, status: int, value: Any) -> None:
        self._send(status, json.dumps(value, ensure_ascii=False).encode(), "application/json")

    def _send(self, status: int, body: bytes, kind: str, more: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {**_HEADERS, **(more or {})}.items():
            self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
