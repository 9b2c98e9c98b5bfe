"""How a command ends: streams that take any character, one sentence for every mistake, the right exit code."""

from __future__ import annotations

import io
import os
import re
import signal
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import typer

from cosinter.data.exceptions import CosinterError, InputError
from cosinter.workflows.words import printable

#: Base of every complaint about the command line itself.
UsageError: Any = typer.BadParameter.__base__
DEBUG_VARIABLE = "COSINTER_DEBUG"
_DONE, _BROKEN, _MISTAKE, _INTERRUPTED, _TERMINATED = 0, 1, 2, 130, 143
#: What a complaint about a number speaks of, and what is wanted; a number outside its range is at least a number.
_KINDS = {"integer": "a whole number", "number": "a number", "float": "a number"} | dict.fromkeys(
    ("greater", "less", "range"), ""
)
_GIVEN = re.compile(r"(?:Value error, )?'?(.*?)'? is not ")


class Terminated(KeyboardInterrupt):
    """SIGTERM came: to be treated as Ctrl-C, so that whatever was started is stopped as well."""


def terminate(number: int, frame: FrameType | None) -> None:
    """Handle SIGTERM: raise `Terminated`, once."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # the first one is enough
    raise Terminated


def leave_well(command: Callable[[], Any]) -> int:
    """Run ``command`` and return its exit code; what goes wrong is said in one sentence, never as a traceback.

    A closed pipe (``cosinter ... | head``) ends quietly with 1.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # an ASCII terminal shows ? instead of °
    try:
        code = command()
        sys.stdout.flush()
        return code if isinstance(code, int) else _DONE
    except (typer.Abort, KeyboardInterrupt) as stop:  # Typer turns the second into the first
        terminated = isinstance(stop, Terminated) or isinstance(stop.__cause__, Terminated)
        return _TERMINATED if terminated else _INTERRUPTED
    except UsageError as error:
        return _say(_usage_sentence(error), _MISTAKE)
    except CosinterError as error:
        return _say(f"error: {error}", _MISTAKE if isinstance(error, InputError) else _BROKEN)
    except OSError as error:
        return _system_failure(error)
    except Exception as error:
        if os.environ.get(DEBUG_VARIABLE):
            raise
        return _say(
            f"error: unexpected {type(error).__name__}: {error} "
            f"(a bug in cosinter; set {DEBUG_VARIABLE}=1 for the traceback and please report it)",
            _BROKEN,
        )


def _say(sentence: str, code: int) -> int:
    try:
        typer.echo("\n".join(printable(line) for line in sentence.split("\n")), err=True)
    except OSError:
        _drop(sys.stderr)
    return code


def _system_failure(error: OSError) -> int:
    """The operating system refused: quiet where the reader of a pipe left, else what could not be done."""
    if os.environ.get(DEBUG_VARIABLE):
        raise error
    why = error.strerror or str(error)
    if error.filename is not None:
        return _say(f"error: cannot use {error.filename} ({why})", _BROKEN)
    _drop(sys.stdout)
    return (
        _BROKEN
        if isinstance(error, BrokenPipeError)
        else _say(f"error: cannot write the output ({why})", _BROKEN)
    )


def _drop(stream: Any) -> None:
    """Send what ``stream`` still holds nowhere, so that Python does not fail again when it ends."""
    try:
        number = stream.fileno()
    except (OSError, ValueError):  # a stream in memory, as in tests, fails at nothing
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, number)
    os.close(nowhere)


def _usage_sentence(error: Any) -> str:
    """Complaint about an option or argument: its name, what was given and what is allowed."""
    context, option = getattr(error, "ctx", None), getattr(error, "param", None)
    path = context.command_path if context is not None else "cosinter"
    if type(error).__name__ == "NoArgsIsHelpError":
        return str(error.format_message())
    if option is None:
        text = error.format_message().rstrip(".")
        return f"error: {text[:1].lower()}{text[1:]}; see {path} --help"
    name = _name(option)
    if type(error).__name__ == "MissingParameter":
        return f"error: {name} is missing; see {path} --help"
    return f"error: {name}{_value(error)}: {_allowed(error.message, option)}"


def _value(error: Any) -> str:
    """What was given, where the complaint knows it."""
    problems = error.__cause__.errors() if hasattr(error.__cause__, "errors") else []
    given = _GIVEN.match(error.message)
    if problems:
        return f" {problems[0]['input']}"
    return f" {given[1]}" if given else ""


def _allowed(message: str, option: Any) -> str:
    """What the option takes: its words, its kind of number and its range, whichever version of Typer complains."""
    _, choice, words = message.removeprefix("Value error, ").rstrip(".").partition("is not one of ")
    if choice:
        return f"must be one of {words.replace(chr(39), '')}"
    kinds = (word for word in _KINDS if word in message)
    kind = _KINDS.get(next(kinds, ""))
    if kind is None:
        return message.rstrip(".")
    holder = option if hasattr(option, "min") else getattr(option, "type", None)
    low, high = getattr(holder, "min", None), getattr(holder, "max", None)
    if low is not None and high is not None:
        return f"must be {kind} from {low:g} to {high:g}".replace("  ", " ")
    return f"must be {kind}" + (f" ({option.help.rstrip('.')})" if option.help else "")


def _name(option: Any) -> str:
    """``--workers``, or ``argument STUDY``."""
    if option.param_type_name == "option":
        return str(max(option.opts, key=len))
    return f"argument {option.metavar or option.name.upper()}"
