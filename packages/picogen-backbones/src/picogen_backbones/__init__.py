"""Sequence mixers for PiCo-Gen."""

__version__ = "0.1.0"
