"""Thermodynamic diagrams: scenes as data, and how they are drawn."""
