"""Co-sintering of Ni-rich layered oxides with oxide electrolytes, from atoms to furnace."""

__version__ = "0.1.0"
