"""Read a measured powder pattern: columns of angle and counts, Rigaku .ras, PANalytical .xrdml; write .xy."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cosinter.data.exceptions import InputError

FloatArray = NDArray[np.float64]
LARGEST_BYTES = 50_000_000
_LEAST_POINTS = 20
_COMMENTS = ("#", "!", "*", "_", ";", "'", '"', "/")
_SPLIT = re.compile(r"[\s,;]+")


def read_pattern(path: Path) -> tuple[FloatArray, FloatArray]:
    """Angles (degrees 2theta, ascending) and counts of a measured pattern, two arrays [n].

    Text with two or more columns (.xy, .xye, .dat, .csv, .txt, .uxd with columns, .ras) or .xrdml. Lines that begin with
    # ! * _ ; ' " / and headings are passed over; text below the first block of numbers is not.

    Raises
    ------
    InputError
        The file cannot be read, is binary, or holds no pattern; the line is named.
    """
    try:
        size = path.stat().st_size
        if size > LARGEST_BYTES:
            raise InputError(
                f"{path} has {size / 1e6:.0f} MB; a pattern has at most {LARGEST_BYTES / 1e6:.0f}"
            )
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read {path} ({error.strerror or error})") from error
    if b"\x00" in content[:4096]:
        raise InputError(f"{path} is binary; export it as .xy (angle and counts as text) or .xrdml first")
    text = content.decode("utf-8-sig", errors="replace")
    pairs = _xrdml(path, text) if path.suffix.lower() == ".xrdml" else _columns(path, text)
    angles, counts = (np.asarray(column, dtype=np.float64) for column in zip(*pairs, strict=True))
    return _checked(path, angles, counts)


def pattern_text(angles: Iterable[float], intensity: Iterable[float], about: Iterable[str]) -> str:
    """A pattern as .xy: comments after #, then angle and intensity in two columns."""
    lines = [f"# {' '.join(line.split())}" for line in about]
    lines += [f"{angle:.4f} {value:.5g}" for angle, value in zip(angles, intensity, strict=True)]
    return "\n".join(lines) + "\n"


def _columns(path: Path, text: str) -> list[tuple[float, float]]:
    pairs: list[tuple[float, float]] = []
    for number, raw in enumerate(text.splitlines(), start=1):
        line = raw.strip()
        if not line or line.startswith(_COMMENTS):
            continue
        words = _SPLIT.split(line)
        try:
            pairs.append((float(words[0]), float(words[1])))
        except (ValueError, IndexError) as error:
            if pairs:
                raise InputError(
                    f"{path}, line {number}: '{line[:60]}' is no angle with counts; remove it or write # before it"
                ) from error
    if not pairs:
        raise InputError(f"{path} holds no lines with an angle and counts")
    return pairs


def _xrdml(path: Path, text: str) -> list[tuple[float, float]]:
    """Positions from start and end, counts times attenuation; the schema of PANalytical's XRDML 1.x and 2.x."""
    from xml.etree import ElementTree

    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise InputError(f"{path} declares entities, which a measured pattern does not need; export it again")
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise InputError(f"{path} is no XRDML file ({error})") from error

    def first(name: str, node: ElementTree.Element = root) -> ElementTree.Element | None:
        return next((found for found in node.iter() if found.tag.rpartition("}")[2] == name), None)

    def numbers(node: ElementTree.Element | None) -> list[float]:
        try:
            return [float(word) for word in ((node.text or "") if node is not None else "").split()]
        except ValueError as error:
            raise InputError(f"{path}: the counts are no numbers ({error})") from error

    counts = numbers(first("counts")) or numbers(first("intensities"))
    axis = next(
        (
            found
            for found in root.iter()
            if found.tag.rpartition("}")[2] == "positions" and found.get("axis") == "2Theta"
        ),
        None,
    )
    if not counts or axis is None:
        raise InputError(f"{path} holds no scan over 2Theta with counts")
    listed = numbers(first("listPositions", axis))
    if not listed:
        ends = [*numbers(first("startPosition", axis)), *numbers(first("endPosition", axis))]
        if len(ends) != 2:
            raise InputError(f"{path} gives no start and end of 2Theta")
        listed = [float(angle) for angle in np.linspace(ends[0], ends[1], len(counts))]
    factors = numbers(first("beamAttenuationFactors")) or [1.0] * len(counts)
    if not len(listed) == len(counts) == len(factors):
        raise InputError(f"{path} has {len(counts)} counts for {len(listed)} angles")
    return [(angle, count * factor) for angle, count, factor in zip(listed, counts, factors, strict=True)]


def _checked(path: Path, angles: FloatArray, counts: FloatArray) -> tuple[FloatArray, FloatArray]:
    if len(angles) < _LEAST_POINTS:
        raise InputError(f"{path} has {len(angles)} points; a pattern has at least {_LEAST_POINTS}")
    if not (np.all(np.isfinite(angles)) and np.all(np.isfinite(counts))):
        raise InputError(f"{path} holds values that are not finite")
    if np.any(np.diff(angles) <= 0.0) or not 0.0 < angles[0] < angles[-1] < 180.0:
        raise InputError(
            f"{path}: angles must ascend within 0 and 180 degrees 2theta; is the first column the angle?"
        )
    return angles, counts
