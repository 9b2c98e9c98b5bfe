"""One request at a time to the Materials Project, through its own client, with every failure told apart."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any, NoReturn, cast
from urllib.parse import urlsplit

from cosinter.data.exceptions import EngineError, InputError, MissingEngineError

if TYPE_CHECKING:
    from requests import Response

FUNCTIONAL = "GGA_GGA+U"
DEFAULT_ENDPOINT = "https://api.materialsproject.org/"
KEY_VARIABLE, ENDPOINT_VARIABLE = "MP_API_KEY", "MP_API_ENDPOINT"
KEY_LENGTH = 32
#: Documents per page; one with its structure takes 5 to 20 kB.
PAGE = 250
TIMEOUT_S = 60.0
REFUSED, TOO_LONG, BUSY = (401, 403), (413, 414), (429, 500, 502, 503, 504)


class FetchError(EngineError):
    """The data could not be fetched; a snapshot of that name, if any, is as it was."""


class TooLongError(FetchError):
    """The list of chemical systems is too long for one request."""


class TransientError(FetchError):
    """A failure that may pass: the server is busy, the network broke, or an answer came in pieces."""

    def __init__(self, reason: str, *, wait_s: float = 0.0) -> None:
        super().__init__(reason)
        self.wait_s = wait_s


def find_key() -> str:
    """Read the API key from ``MP_API_KEY`` or from pymatgen's settings; it is never shown.

    Raises
    ------
    InputError
        There is no key, or it cannot be one.
    """
    key = os.environ.get(KEY_VARIABLE, "").strip()
    if not key:
        from pymatgen.core import SETTINGS

        key = str(SETTINGS.get("PMG_MAPI_KEY") or "").strip()
    if not key:
        raise InputError(
            f"no key of the Materials Project: set {KEY_VARIABLE} to the key shown at "
            "https://materialsproject.org/api"
        )
    if len(key) != KEY_LENGTH or not key.isalnum():
        raise InputError(
            f"the key in {KEY_VARIABLE} (or pymatgen's PMG_MAPI_KEY) is not one of the Materials Project: "
            f"it must have {KEY_LENGTH} letters and digits"
        )
    return key


def find_endpoint() -> str:
    """Address of the server: ``MP_API_ENDPOINT``, else the public one; ends with a slash.

    Raises
    ------
    InputError
        The address would send the key unencrypted to another machine.
    """
    endpoint = os.environ.get(ENDPOINT_VARIABLE, "").strip() or DEFAULT_ENDPOINT
    parts = urlsplit(endpoint)
    local = parts.hostname in ("localhost", "127.0.0.1", "::1")
    if parts.scheme != "https" and not (parts.scheme == "http" and local):
        raise InputError(f"{ENDPOINT_VARIABLE} must be an https address; got '{endpoint}'")
    return endpoint if endpoint.endswith("/") else endpoint + "/"


def _seconds(header: str | None) -> float:
    from datetime import UTC, datetime
    from email.utils import parsedate_to_datetime

    text = (header or "").strip()
    if text.isdigit():
        return float(text)
    try:
        return max(0.0, (parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds())
    except (TypeError, ValueError):
        return 0.0


class MaterialsProject:
    """The thermo collection of the Materials Project.

    Parameters
    ----------
    key, endpoint : see :func:`find_key` and :func:`find_endpoint`
    timeout_s : longest silence of the server, s

    Raises
    ------
    MissingEngineError
        The client mp-api is not installed.
    """

    def __init__(self, key: str, endpoint: str, *, timeout_s: float = TIMEOUT_S) -> None:
        try:
            self.client_version = version("mp-api")
        except PackageNotFoundError as error:
            raise MissingEngineError(
                "fetching from the Materials Project needs mp-api: pip install 'cosinter[mp]'"
            ) from error
        self._key, self._timeout_s = key, timeout_s
        self.endpoint, self.host = endpoint, urlsplit(endpoint).netloc
        self._status, self._wait_s, self._total = 0, 0.0, 0
        self._search: Callable[..., Any] | None = None

    def database_version(self) -> str:
        """Ask for the version of the database now.

        Raises
        ------
        InputError, FetchError
            The server refuses, is busy, or cannot be reached.
        """
        import requests

        def ask() -> str:
            answer = requests.get(
                f"{self.endpoint}heartbeat",
                headers={"user-agent": f"mp-api/{self.client_version} cosinter"},
                timeout=self._timeout_s,
                allow_redirects=False,
            )
            self._note(answer)
            if answer.status_code != 200:
                raise ValueError(f"HTTP {answer.status_code}")
            return str(answer.json()["db_version"])

        found = self._call(ask)
        if not found:
            raise FetchError(f"{self.host} does not tell the version of its database")
        return str(found)

    def entries(self, systems: Sequence[str]) -> list[dict[str, Any]]:
        """Fetch the computed entries of the chemical systems ``systems``, all pages, as plain dictionaries.

        Raises
        ------
        InputError, TooLongError, TransientError, FetchError
            The server refuses, wants shorter lists, is busy, or answers something else than was asked for.
        """
        self._total = 0
        documents = self._call(
            lambda: self._thermo()(
                chemsys=list(systems),
                thermo_types=[FUNCTIONAL],
                all_fields=False,
                fields=["material_id", "thermo_type", "entries"],
                chunk_size=PAGE,
            )
        )
        records = {self._material(document): self._records(document) for document in documents}
        if len(records) != self._total:
            raise TransientError(f"{self.host} sent {len(records)} of {self._total} documents")
        return [record for found in records.values() for record in found]

    def _material(self, document: Any) -> str:
        try:
            return str(document["material_id"])
        except (TypeError, KeyError) as error:
            raise FetchError(f"{self.host} sent a document without material_id") from error

    def _records(self, document: Any) -> list[dict[str, Any]]:
        try:
            kind, records = str(document["thermo_type"]), list(document["entries"].values())
        except (TypeError, KeyError, AttributeError) as error:
            raise FetchError(
                f"{self.host} sent a document without entries; mp-api {self.client_version} may not fit its server"
            ) from error
        if kind != FUNCTIONAL:
            raise FetchError(f"{self.host} sent energies of {kind} where {FUNCTIONAL} was asked for")
        return records

    def _thermo(self) -> Callable[..., Any]:
        if self._search is None:
            from mp_api.client.routes.materials.thermo import ThermoRester
            from requests.adapters import HTTPAdapter

            rester = ThermoRester(
                api_key=self._key,
                endpoint=self.endpoint,
                use_document_model=False,
                mute_progress_bars=True,
                timeout=cast(Any, self._timeout_s),  # requests takes fractions of a second, mp-api says int
            )
            for scheme in ("http://", "https://"):
                rester.session.mount(scheme, HTTPAdapter(max_retries=0))
            rester.session.hooks["response"].append(lambda response, *_, **__: self._note(response))
            self._search = rester.search
        return self._search

    def _note(self, response: Response) -> None:
        self._status, self._wait_s = response.status_code, _seconds(response.headers.get("Retry-After"))
        if response.status_code == 200 and "/thermo" in response.url:
            meta = json.loads(response.content).get("meta") or {}
            self._total = int(meta.get("total_doc", 0))

    def _call(self, ask: Callable[[], Any]) -> Any:
        """Call ``ask`` and turn whatever goes wrong into an error of this module."""
        self._status, self._wait_s = 0, 0.0
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return ask()
        except ImportError as error:
            raise MissingEngineError(f"mp-api {self.client_version} cannot be imported ({error})") from error
        except Exception as error:
            self._explain(error)

    def _explain(self, error: Exception) -> NoReturn:
        status = self._status
        if status in REFUSED:
            raise InputError(
                f"{self.host} refused the key{' or blocks this machine' if status == 403 else ''} "
                f"(HTTP {status}); check {KEY_VARIABLE} at https://materialsproject.org/api"
            ) from None
        if status in TOO_LONG:
            raise TooLongError(f"{self.host} refused a list that is too long (HTTP {status})") from None
        if status in BUSY:
            raise TransientError(f"{self.host} is busy (HTTP {status})", wait_s=self._wait_s) from None
        if status >= 300:
            raise FetchError(
                f"{self.host} did not understand the request (HTTP {status}); "
                f"mp-api {self.client_version} may be too old for it"
            ) from None
        raise TransientError(f"{self.host}: {_network_reason(error)}") from None


def _network_reason(error: BaseException) -> str:
    """Say in a few words how the network failed; never quotes a request, which holds the key."""
    import requests

    chain: list[BaseException] = []
    link: BaseException | None = error
    while link is not None and link not in chain:
        chain.append(link)
        link = link.__cause__ or link.__context__
    for kind, words in (
        (requests.exceptions.Timeout, "no answer in time"),
        (requests.exceptions.ChunkedEncodingError, "the connection broke in the middle of an answer"),
        (requests.exceptions.SSLError, "no trusted encrypted connection"),
        (requests.exceptions.ConnectionError, "no connection (is there a network?)"),
        (ValueError, "the answer is not the JSON that was expected"),
        ((KeyError, TypeError, AttributeError), "the answer lacks fields that were expected"),
    ):
        if any(isinstance(item, kind) for item in chain):
            return words
    return f"the client failed ({type(error).__name__})"
