"""Sequence mixers for PiCo-Gen."""

__version__ = "0.2.0"
