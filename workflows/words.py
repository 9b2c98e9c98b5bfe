"""Words of somebody else, made fit for a sentence on the terminal, where control characters would act."""

from __future__ import annotations

LONGEST = 80


def printable(text: str) -> str:
    r"""Write control characters, and others that a terminal cannot show, as escapes.

    >>> printable("a\x1b[31m\n")
    'a\\x1b[31m\\n'
    """
    return "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in text)


def shown(text: str) -> str:
    """The same, cut to ``LONGEST`` characters."""
    whole = printable(text[: LONGEST + 1])
    return whole if len(whole) <= LONGEST else f"{whole[: LONGEST - 3]}..."
