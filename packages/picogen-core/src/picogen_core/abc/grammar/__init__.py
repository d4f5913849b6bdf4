"""Validity while writing: which characters a piece may have next, and how it comes to its end."""

from picogen_core.abc.grammar.constraint import Constraint, least_patches
from picogen_core.abc.grammar.quick import QuickConstraint

__all__ = ["Constraint", "QuickConstraint", "least_patches"]
