"""Times of the furnace model itself: one programme plain and compiled, cold and warm, and ensembles with their memory."""

from __future__ import annotations


def report(*, full: bool = False) -> None:
    """Print."""
