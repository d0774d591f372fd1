"""spotipy, but patient: budget, pauses, retries, and sentences for what goes wrong.

spotipy builds the requests and logs in. They travel with our own client, which keeps the limits
and asks again; spotipy's retries would sleep for as long as the server says, in silence.
"""

import hashlib
import json
import logging
import time
import warnings
from datetime import datetime
from pathlib import Path
from typing import Any

import requests
import spotipy
from requests.adapters import HTTPAdapter
from spotipy import cache_handler, oauth2
from urllib3.util import parse_url

from albumlib.sources.answers import BROKEN, BUSY, Again, Wait, parsed, retry_after
from albumlib.sources.base import Failed, SourceError
from albumlib.sources.credentials import credentials
from albumlib.sources.transport import name_of
from albumlib.sources.web import COME_BACK, DAY, Web

GONE_FOR = 30 * 86_400.0  # seconds until we ask again for what was gone
REDIRECT = "http://127.0.0.1:8888/callback"
SCOPE = "playlist-read-private playlist-read-collaborative"
DASHBOARD = "https://developer.spotify.com/dashboard"
# Where an answer has what was asked for, if not in its items; features are a list themselves.
PARTS = {"artist": "id", "album": "id", "albums": "albums", "tracks": "tracks"}
WRONG = {"invalid_client", "invalid_grant", "unauthorized_client", "access_denied"}
BAD_LOGIN = (
    "Spotify does not accept your credentials: compare SPOTIPY_CLIENT_ID and "
    f"SPOTIPY_CLIENT_SECRET with your app's at {DASHBOARD}"
)


class Gone(SourceError):
    """This app may not ask that."""


class NotLoggedIn(SourceError):
    """The token is worth nothing (any more)."""


class QuotaUsed(Wait):
    """No more requests today; `until` is when there will be."""

    def __init__(self, whose: str, until: datetime):
        self.until = until
        after = f"{until:%H:%M on %d %B %Y}, everything gathered so far is kept"
        SourceError.__init__(self, f"{whose} is used up: start again after {after}")


class Client:
    """Asks Spotify. `memory` is a file that remembers what the app may not ask."""

    def __init__(self, web: Web, api: str, tokens: str, login: Any, user: bool, memory: Path):
        logging.getLogger("spotipy").setLevel(logging.CRITICAL)  # it would log tokens
        session = _session(web)
        self._login = login or _login(session, tokens, user)
        self._spotify = spotipy.Spotify(auth_manager=self._login, requests_session=session)
        self._spotify.prefix = api
        self._web, self._memory = web, memory
        self._app = hashlib.sha256(str(self._login.client_id).encode()).hexdigest()[:16]

    def ask(self, what: str, *about: Any, **options: Any) -> Any:
        """What spotipy's method `what` answers. Raises SourceError with what to do."""
        try:
            return self._once(what, about, options)
        except NotLoggedIn:
            self._login.cache_handler.save_token_to_cache(None)
            return self._once(what, about, options)

    def try_many(self, what: str, ids: list[str]) -> Any:
        """The answer to several ids at once; None if this app may not ask that (any more)."""
        if not ids or 0 < self._gone().get(f"{self._app} {what}", 0) - time.time() <= GONE_FOR:
            return None
        try:
            return self.ask(what, ids)
        except Gone:
            gone = self._gone() | {f"{self._app} {what}": time.time() + GONE_FOR}
            self._memory.parent.mkdir(parents=True, exist_ok=True)
            self._memory.write_text(json.dumps(gone), encoding="utf-8")
            return None

    def _gone(self) -> dict[str, float]:
        """Until when we do not ask for what was refused, by app and method."""
        try:
            found = json.loads(self._memory.read_text(encoding="utf-8"))
            return {str(key): float(until) for key, until in found.items()}
        except (OSError, ValueError, TypeError, AttributeError):
            return {}

    def _once(self, what: str, about: tuple, options: dict) -> Any:
        try:
            found = _called(getattr(self._spotify, what), about, options)
        except Wait as error:
            raise self._budget_used(error) from error
        except Failed as error:
            raise _out_of_order(str(error)) from error
        except spotipy.SpotifyException as error:
            raise _not_understood(str(error.msg)) from error
        except spotipy.SpotifyOauthError as error:
            raise SourceError(f"the login at Spotify failed ({error}): log in again") from error
        if not _is_right(found, what, options.get("type", "")):
            raise _out_of_order(f"it sent something else in place of {what}")
        return found

    def _budget_used(self, error: Wait) -> Wait:
        """The same, or what to say of our own budget."""
        if isinstance(error, QuotaUsed) or not error.gate.endswith(DAY):
            return error
        a_day = self._web.hosts[error.gate].requests
        return QuotaUsed(f"the budget of {a_day:,} requests to Spotify a day", error.until)


def _called(method: Any, about: tuple, options: dict) -> Any:
    """What spotipy answers, without its warnings; None for what it cannot make sense of."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            return method(*about, **options)
        except (TypeError, KeyError, AttributeError):  # spotipy's own, at features or a token
            return None


def _is_right(found: Any, what: str, kind: str) -> bool:
    """Whether an answer has the list that was asked for, or is the album, or the artist."""
    if what == "audio_features" or not isinstance(found, dict):
        return what == "audio_features" and isinstance(found, list)
    if kind:
        page = found.get(f"{kind}s")
        return isinstance(page, dict) and isinstance(page.get("items"), list)
    name = PARTS.get(what, "items")
    return isinstance(found.get(name), str if name == "id" else list)


def _out_of_order(reason: str) -> SourceError:
    return SourceError(
        f"Spotify is out of order: start again later, everything gathered so far is kept ({reason})"
    )


def _not_understood(about: str) -> SourceError:
    about = about.split("\n")[-1].strip()
    return SourceError(f"Spotify does not understand the request ({about}): change it")


# Requests ---------------------------------------------------------------------------------------


class _Adapter(HTTPAdapter):
    """Hands spotipy's requests to our client."""

    def __init__(self, web: Web):
        super().__init__()
        self._web = web

    def send(self, request: Any, **options: Any) -> Any:
        return self._web.send(request, self._read)

    def _read(self, answer: Any) -> Any:
        """The answer, if it is one; else what to do is raised."""
        status = answer.status_code
        if status == 200:
            parsed(answer)
            return answer
        error, about, reason = _complaint(answer)
        seconds = retry_after(answer.headers)
        if status == 429 and reason == "QUOTA_EXCEEDED":
            self._web.pause(name_of(parse_url(answer.url)) + DAY, seconds or COME_BACK)
            until = datetime.fromtimestamp(time.time() + (seconds or COME_BACK))
            raise QuotaUsed("your Spotify account's quota for all of its apps", until)
        if status in BUSY or status in BROKEN:
            raise Again(f"HTTP {status}", status=status, seconds=seconds)
        if error in WRONG:
            raise SourceError(BAD_LOGIN)
        raise _refusal(status, about, answer.request.path_url)


def _complaint(answer: Any) -> tuple[str, str, str]:
    """What an answer of the API or of the login says: error, message and reason."""
    try:
        error = parsed(answer).get("error")
    except Again:
        error = None
    if isinstance(error, dict):
        return "", str(error.get("message", "")), str(error.get("reason", ""))
    return str(error), str(error), ""


def _refusal(status: int, about: str, path: str) -> SourceError:
    """What to do about an answer that is none."""
    about = ascii(about)[1:-1]
    if status == 401:
        return NotLoggedIn(f"Spotify does not accept the login ({about}): log in again")
    if "premium" in about.lower():
        return SourceError(
            "Spotify answers apps only while their owner has Premium: subscribe with the "
            "account that owns the app, or gather from another source"
        )
    if status in (403, 404, 410) and "ids=" in path:
        return Gone(about)
    if status in (404, 410):
        return SourceError("Spotify knows nothing of that name: check the link or id you gave")
    if status == 403:
        return SourceError(
            f"Spotify forbids that to your app ({about}): gather something that is yours, or "
            f"add yourself to the app's users at {DASHBOARD}"
        )
    return _not_understood(about)


def _session(web: Web) -> requests.Session:
    session = requests.Session()
    session.trust_env = False  # a .netrc would put its password in the token's place
    for scheme in ("https://", "http://"):
        session.mount(scheme, _Adapter(web))
    return session


def _login(session: requests.Session, tokens: str, user: bool) -> Any:
    """The app's own login, or the user's, from credentials; the token is kept in memory alone."""
    names, where = ("SPOTIPY_CLIENT_ID", "SPOTIPY_CLIENT_SECRET"), f"make an app at {DASHBOARD}"
    secrets = credentials(*names, where=where).values()
    memory = {"requests_session": session, "cache_handler": cache_handler.MemoryCacheHandler()}
    if user:
        login = oauth2.SpotifyOAuth(*secrets, REDIRECT, scope=SCOPE, **memory)
    else:
        login = oauth2.SpotifyClientCredentials(*secrets, **memory)
    login.OAUTH_TOKEN_URL = tokens
    return login
