"""Atoms: named crystals, orderings, interfaces and migration paths."""
