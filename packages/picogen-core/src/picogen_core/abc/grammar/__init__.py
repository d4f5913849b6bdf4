"""Validity while writing: which characters a piece may have next, and how it comes to its end."""

from picogen_core.abc.grammar.constraint import Constraint, least_patches

__all__ = ["Constraint", "least_patches"]
