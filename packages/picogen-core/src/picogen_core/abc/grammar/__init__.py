"""Validity while writing: which characters a piece may have next, and how it comes to its end."""

from picogen_core.abc.grammar.constraint import Constraint

__all__ = ["Constraint"]
