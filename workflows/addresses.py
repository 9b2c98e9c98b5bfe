"""Where the LaunchPad is: a file of the results folder, another file, or a MongoDB server.

A place is said by ``--launchpad``, else by ``COSINTER_LAUNCHPAD``, else it is ``RESULTS/launchpad.db``. It is one of

    my_launchpad.yaml          FireWorks' own file, for a server or an embedded store
    folder/fw.db               a file of the embedded store; also sqlite:///absolute/folder/fw.db
    mongodb://host/database    a server; also mongodb+srv://

An :class:`Address` never shows a password: not in its text, not in messages, not on the command line of workers.
"""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cosinter.data.exceptions import InputError, StorageError
from cosinter.workflows.plain_yaml import first_unplain

VARIABLE = "COSINTER_LAUNCHPAD"
CHILD_VARIABLE = "COSINTER_CHILD_LAUNCHPAD"
"""How a worker process is told an address; it holds what the user gave, in the environment of that process alone."""
SCHEME = "sqlite://"
SERVER_SCHEMES = ("mongodb://", "mongodb+srv://")
DATABASE_NAME = "fireworks"
KEYS = (
    "host",
    "port",
    "name",
    "username",
    "password",
    "logdir",
    "strm_lvl",
    "user_indices",
    "wf_user_indices",
    "authsource",
    "uri_mode",
    "mongoclient_kwargs",
)
"""Keys of my_launchpad.yaml that FireWorks 2 knows."""
LEGACY_KEYS = ("ssl", "ssl_ca_certs", "ssl_certfile", "ssl_keyfile", "ssl_pem_passphrase")
"""Keys that FireWorks 1 wrote and FireWorks 2 ignores; without effect unless they are null or false."""
LARGEST_FILE = 100_000


@dataclass(frozen=True)
class Address:
    """Where a LaunchPad is; ``options`` are the keyword arguments of ``fireworks.LaunchPad``."""

    shown: str
    path: Path | None
    options: Mapping[str, Any] = field(repr=False)
    given: str = field(repr=False)
    notes: tuple[str, ...] = ()

    @property
    def embedded(self) -> bool:
        """True for a file, False for a server."""
        return self.path is not None

    def __str__(self) -> str:
        return self.shown

    def child_arguments(self) -> tuple[str, ...]:
        """Arguments that tell a worker process this address; none where they could hold a password."""
        return ("--address", str(self.path)) if self.path is not None else ()

    def child_environment(self) -> dict[str, str]:
        """Environment of a worker process that tells it this address where the arguments do not."""
        return {} if self.embedded else {CHILD_VARIABLE: self.given}


def find_address(given: str | Path | None, *, root: Path | None = None) -> Address:
    """Find the LaunchPad that a user means.

    Parameters
    ----------
    given : a my_launchpad.yaml, a file, or an address; ``COSINTER_LAUNCHPAD`` if None.
    root : results folder whose own LaunchPad is meant where nothing is given.

    Raises
    ------
    InputError
        It is none of these, cannot be read, or nothing is given at all.
    """
    text = str(given if given is not None else os.environ.get(VARIABLE, "")).strip()
    if text:
        return _read(text)
    if given is not None:
        raise InputError("the address of the launchpad is empty; give a file or a mongodb:// address")
    if root is None:
        raise InputError(f"no launchpad is given; use --launchpad or set {VARIABLE}")
    return own_address(root)


def _read(text: str) -> Address:
    if text.startswith(SERVER_SCHEMES):
        name = urlsplit(text).path.strip("/") or DATABASE_NAME
        return _server({"host": text, "name": name, "uri_mode": True}, text)
    if text.startswith(SCHEME):
        return _embedded(_after_scheme(text), {}, text)
    if "://" in text:
        raise InputError(
            f"address '{without_secrets(text)}' is no path, sqlite:///path or mongodb://host address"
        )
    path = Path(text).expanduser().resolve()
    if path.suffix.lower() in (".yaml", ".yml"):
        return _from_file(path)
    return _embedded(path, {}, text)


def _after_scheme(text: str) -> Path:
    path = text.removeprefix(SCHEME)
    if not path.startswith("/"):
        raise InputError(f"address 'sqlite://{path}' lacks an absolute path; write sqlite:///folder/fw.db")
    return Path(path).resolve()


def _from_file(path: Path) -> Address:
    content = _load(path)
    for key in content:
        if key not in (*KEYS, *LEGACY_KEYS):
            near = get_close_matches(str(key), KEYS, n=1, cutoff=0.5)
            hint = f"did you mean '{near[0]}'?" if near else f"known: {', '.join(KEYS)}"
            raise InputError(f"{path}: unknown key '{key}'; {hint}")
    for key in LEGACY_KEYS:
        if content.get(key):
            raise InputError(
                f"{path}: {key} has no effect in FireWorks 2; write it as tls option below mongoclient_kwargs"
            )
    _check_types(content, path)
    options = {key: value for key, value in content.items() if key in KEYS and value is not None}
    notes = _open_to_others(path) if options.get("password") or "@" in str(options.get("host")) else ()
    host = str(options.get("host", "localhost"))
    if host.startswith(SCHEME):
        options.pop("mongoclient_kwargs", None)
        return _embedded(_after_scheme(host), options, str(path))
    return _server(options, str(path), notes)


def _load(path: Path) -> dict[str, Any]:
    import yaml

    try:
        if path.stat().st_size > LARGEST_FILE:
            raise InputError(f"{path} has more than {LARGEST_FILE} bytes; a my_launchpad.yaml is small")
        text = path.read_text(encoding="utf-8")
        unplain = first_unplain(text)
        if unplain is not None:
            raise InputError(f"launchpad file {path}, line {unplain.line}: {unplain.problem}")
        content = yaml.safe_load(text)
    except InputError:
        raise
    except OSError as error:
        raise InputError(f"launchpad file {path} cannot be read ({error.strerror})") from error
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f" in line {mark.line + 1}" if mark is not None else ""
        raise InputError(f"launchpad file {path} is no valid YAML{where}") from None
    if not isinstance(content, dict):
        raise InputError(f"launchpad file {path} holds no keys; write it with lpad init, or see the docs")
    return content


def _check_types(content: Mapping[str, Any], path: Path) -> None:
    expected: dict[str, type | tuple[type, ...]] = {
        "host": str,
        "name": str,
        "port": int,
        "uri_mode": bool,
        "mongoclient_kwargs": dict,
        "user_indices": list,
        "wf_user_indices": list,
    }
    for key, kind in expected.items():
        value = content.get(key)
        if value is not None and (not isinstance(value, kind) or (key == "port" and isinstance(value, bool))):
            word = getattr(kind, "__name__", "text")
            raise InputError(f"{path}: {key} must be of type {word}, not {type(value).__name__}")


def _open_to_others(path: Path) -> tuple[str, ...]:
    if path.stat().st_mode & 0o077:
        return (f"{path} holds a password and others can read it; run: chmod 600 {path}",)
    return ()


def _server(options: Mapping[str, Any], given: str, notes: tuple[str, ...] = ()) -> Address:
    host = str(options.get("host", "localhost"))
    name = str(options.get("name", DATABASE_NAME))
    if options.get("uri_mode"):
        if not host.startswith(SERVER_SCHEMES):
            raise InputError(
                f"host '{without_secrets(host)}' with uri_mode must begin with mongodb:// or mongodb+srv://"
            )
        scheme, _, rest = without_secrets(host).partition("://")
        shown = f"{scheme}://{rest.partition('/')[0].partition('?')[0]}/{name}"
    elif "://" in host:
        raise InputError(f"host '{without_secrets(host)}' is an address; add uri_mode: true")
    else:
        shown = f"mongodb://{host}:{options.get('port', 27017)}/{name}"
    return Address(shown, None, {**options, "name": name}, given, notes)


def _embedded(path: Path, options: Mapping[str, Any], given: str) -> Address:
    host = {"host": f"{SCHEME}{path}", "uri_mode": True, "name": options.get("name", DATABASE_NAME)}
    kept = {key: options[key] for key in ("logdir", "strm_lvl") if key in options}
    return Address(f"{SCHEME}{path}", path, {**kept, **host}, given)


def own_address(root: Path) -> Address:
    """The store of a results folder: in it, or on a local disk where it lies on a network file system."""
    from cosinter.workflows.embedded.connection import NETWORK_FILE_SYSTEMS, file_system_type
    from cosinter.workflows.sources.user_data import user_folder

    root = root.resolve()
    own = root / "launchpad.db"
    kind = file_system_type(own)
    if kind not in NETWORK_FILE_SYSTEMS:
        return _embedded(own, {}, str(own))
    local = user_folder() / "launchpads"
    if file_system_type(local) in NETWORK_FILE_SYSTEMS:
        local = Path(tempfile.gettempdir()) / f"cosinter-{os.getuid()}"
    path = private_folder(local) / f"{hashlib.sha256(str(root).encode()).hexdigest()[:16]}.db"
    note = f"{root} lies on a network file system ({kind}); its index of jobs is kept in {path}"
    found = _embedded(path, {}, str(path))
    return Address(found.shown, found.path, found.options, found.given, (note,))


def private_folder(folder: Path) -> Path:
    """Make a folder that is the user's alone, for a store; return it.

    Raises
    ------
    StorageError
        It cannot be made, or it belongs to somebody else or is open to others.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
    except OSError as error:
        raise StorageError(f"the folder '{folder}' cannot be made: {error.strerror or error}") from error
    own = stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid()
    if not own or stat.S_IMODE(found.st_mode) & 0o077:
        raise StorageError(
            f"{folder} belongs to somebody else or is open to others; remove it, or set TMPDIR"
        )
    return folder


def without_secrets(uri: str) -> str:
    """A URI without user, password and options."""
    scheme, separator, rest = uri.partition("://")
    if not separator:
        return uri.rpartition("@")[2]
    return f"{scheme}://{rest.rpartition('@')[2].partition('?')[0]}"
