"""Who may ask the server: a link with a token that works once, a cookie from then on, and only from its own page."""

import secrets
import threading
import time
from collections.abc import Callable, Mapping
from http.cookies import CookieError, SimpleCookie

TOKENS = 100
"""The most unused tokens that are kept; older ones stop working."""
RATE, BURST = 100.0, 300.0
"""How many requests a second are answered, and how many at once."""
REFUSALS = 40
"""How many requests without a valid token or cookie are answered within a minute."""


class Refused(Exception):
    """A request that is not answered: its status and the reason."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class Bucket:
    """A rate limit: `burst` requests at once, `rate` a second in the long run.

    >>> bucket = Bucket(rate=1.0, burst=2.0, clock=lambda: 0.0)
    >>> [bucket.take() for _ in range(3)]
    [True, True, False]
    """

    def __init__(self, rate: float, burst: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate, self._burst, self._clock = rate, burst, clock
        self._left, self._then = burst, clock()
        self._lock = threading.Lock()

    def take(self) -> bool:
        """Return whether one more request may be answered."""
        with self._lock:
            now = self._clock()
            self._left = min(self._burst, self._left + (now - self._then) * self._rate)
            self._then = now
            if self._left < 1:
                return False
            self._left -= 1
            return True


class Guard:
    """Checks the requests of a server on `port`."""

    def __init__(self, port: int) -> None:
        self.cookie_name = f"chainrule-{port}"
        self._hosts = {f"127.0.0.1:{port}", f"localhost:{port}"}
        self._cookie = secrets.token_urlsafe(32)
        self._tokens: list[str] = []
        self._lock = threading.Lock()
        self._bucket = Bucket(RATE, BURST)
        self._strangers = Bucket(REFUSALS / 60, REFUSALS)

    def token(self) -> str:
        """Return a new token; it opens the page once."""
        made = secrets.token_urlsafe(24)
        with self._lock:
            self._tokens.append(made)
            del self._tokens[:-TOKENS]
        return made

    def check(self, headers: Mapping[str, str]) -> None:
        """Raise Refused for a request of another site: its Host or Origin is not this server, or it asks too often.

        A page whose name was made to point to this machine (DNS rebinding) has its own name as the Host.
        """
        if headers.get("Host", "") not in self._hosts:
            raise Refused(403, "this server answers only requests to 127.0.0.1 and localhost")
        origin = headers.get("Origin")
        if origin is not None and origin.removeprefix("http://") not in self._hosts:
            raise Refused(403, "this server answers only its own page")
        if headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin"):
            raise Refused(403, "this server answers only its own page")
        if not self._bucket.take():
            raise Refused(429, "too many requests; wait a second")

    def is_known(self, headers: Mapping[str, str]) -> bool:
        """Whether a request has the cookie."""
        try:
            morsel = SimpleCookie(headers.get("Cookie", "")).get(self.cookie_name)
        except CookieError:
            return False
        return morsel is not None and secrets.compare_digest(morsel.value.encode(), self._cookie.encode())

    def admit(self, token: str) -> str:
        """Return the header that sets the cookie, in exchange for a token, which is used up; else raise Refused."""
        with self._lock:
            found = next((t for t in self._tokens if secrets.compare_digest(t.encode(), token.encode())), None)
            if found is not None:
                self._tokens.remove(found)
        if found is None:
            raise self.stranger()
        return f"{self.cookie_name}={self._cookie}; HttpOnly; SameSite=Strict; Path=/"

    def stranger(self) -> Refused:
        """Return the refusal of a request without a valid token or cookie."""
        if not self._strangers.take():
            return Refused(429, "too many requests without a valid link; wait a minute")
        return Refused(
            403, "this link has been used or is not valid; each works once. Start the command again for a new one"
        )
