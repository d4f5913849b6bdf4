"""Sequence mixers for PiCo-Gen."""
