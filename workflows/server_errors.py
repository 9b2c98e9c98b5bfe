"""Say in one sentence why a MongoDB server cannot be used, without a word of what is secret."""

from __future__ import annotations

import re

_CODES = {
    13: "this user may not read and write {shown}; ask its administrator for the role readWrite",
    18: "the user or the password for {shown} is wrong; check username, password and authsource",
    8000: "the user or the password for {shown} is wrong; check username, password and authsource",
}
_TEXTS = (
    (
        (
            "Name or service not known",
            "nodename nor servname",
            "Temporary failure in name resolution",
            "No address",
        ),
        "the host of {shown} is not known; check its spelling and the network",
    ),
    (
        ("DNS query name does not exist", "NXDOMAIN", "All nameservers failed"),
        "the host of {shown} is not known; check its spelling and the network",
    ),
    (("Connection refused",), "no MongoDB server listens at {shown}; check host and port, or start it"),
    (
        ("CERTIFICATE_VERIFY_FAILED", "certificate verify failed"),
        "the TLS certificate of {shown} cannot be trusted; give its authority as tlsCAFile",
    ),
    (("SSL", "TLS", "handshake"), "no TLS connection to {shown} could be made; check tls and its files"),
    (
        ("connection closed", "Connection reset"),
        "{shown} closed the connection; does it ask for TLS, or is it another kind of server?",
    ),
    (("No route", "unreachable"), "there is no route to {shown}; check the network or a firewall"),
    (("timed out", "Timeout", "timeout"), "{shown} did not answer in time; check the network or a firewall"),
    (("wire version",), "the server at {shown} is of a version that pymongo does not speak"),
)
_SECRET = re.compile(r"//[^/@\\s]*@")


def explained(exc: Exception, shown: str) -> str | None:
    """One sentence for an error of pymongo (or of what it was given); None for any other error."""
    from pymongo.errors import ConfigurationError, InvalidURI, PyMongoError

    code = getattr(exc, "code", None)
    if isinstance(code, int) and code in _CODES:
        return _CODES[code].format(shown=shown)
    if not isinstance(exc, (PyMongoError, TypeError, ValueError, OSError)):
        return None
    text = str(exc)
    if isinstance(exc, (ConfigurationError, InvalidURI, TypeError, ValueError)) and "DNS" not in text:
        return f"the address or the options of {shown} cannot be used: {_first(text)}"
    for words, sentence in _TEXTS:
        if any(word in text for word in words):
            return sentence.format(shown=shown)
    return f"the server at {shown} cannot be used: {_first(text)}"


def hidden(exc: Exception) -> Exception | None:
    """The error as a cause to keep, unless its text may hold a password."""
    return None if _SECRET.search(str(exc)) else exc


def _first(text: str) -> str:
    """The first clause of a message, without users and passwords."""
    return _SECRET.sub("//", text.splitlines()[0] if text else "").split(", Timeout:")[0][:200]
