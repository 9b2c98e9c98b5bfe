"""What may stand in a YAML file that somebody else may have written: plain words and numbers in lists and mappings.

PyYAML's safe loader runs no code, but a few bytes of aliases make it fill the memory, deep nesting ends it with a
RecursionError, and a tag such as ``!!bool x`` with a KeyError. None of these is needed to say anything in our files.
"""

from __future__ import annotations

from dataclasses import dataclass

MAX_DEPTH = 50
"""Levels of nesting; the deepest file of ours has 6."""
MAX_TEXT = 20_000
"""Characters of one value: a number in base 60 (1:1:1:...) of a million characters takes a minute to read."""
MAX_VALUES = 50_000
"""Keys and values of a file; so many take five seconds."""


@dataclass(frozen=True)
class Unplain:
    """The first thing in a text that is not plain YAML."""

    line: int
    problem: str


@dataclass
class _Open:
    """A list or mapping that is being read, and how many of its parts were seen."""

    mapping: bool
    parts: int = 0


def first_unplain(text: str) -> Unplain | None:
    """Find the first alias, tag, key that is no plain word, or what is too deep, long or much; None if all is plain.

    Raises
    ------
    yaml.YAMLError
        It is no YAML.
    """
    import yaml

    levels: list[_Open] = []
    count = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        if isinstance(event, yaml.CollectionEndEvent):
            levels.pop()
            continue
        if not isinstance(event, yaml.NodeEvent):
            continue
        count += 1
        problem = _problem(event, levels)
        if count > MAX_VALUES:
            problem = f"more than {MAX_VALUES} keys and values; split the file"
        if problem:
            return Unplain(event.start_mark.line + 1 if event.start_mark else 0, problem)
        if levels:
            levels[-1].parts += 1
        if isinstance(event, yaml.CollectionStartEvent):
            levels.append(_Open(mapping=isinstance(event, yaml.MappingStartEvent)))
    return None


def _problem(event: object, levels: list[_Open]) -> str:
    import yaml

    if isinstance(event, yaml.AliasEvent):
        return f"aliases are not read (*{event.anchor}); write the value out"
    if getattr(event, "tag", None) is not None:
        return "a tag (a word that begins with !) is not valid YAML here; put it in quotes if it is a word"
    is_key = bool(levels) and levels[-1].mapping and levels[-1].parts % 2 == 0
    if is_key and not isinstance(event, yaml.ScalarEvent):
        return "a key is a list or a mapping; write a plain word"
    if len(getattr(event, "value", "")) > MAX_TEXT:
        return f"a text of more than {MAX_TEXT} characters; write a shorter one"
    if len(levels) >= MAX_DEPTH and isinstance(event, yaml.CollectionStartEvent):
        return f"nested more than {MAX_DEPTH} levels deep; write it flat"
    return ""
