"""Constraints of generation: the characters that may come next, and how a piece ends."""

from picogen_core.abc.grammar.constraint import Constraint, least_patches
from picogen_core.abc.grammar.quick import QuickConstraint

__all__ = ["Constraint", "QuickConstraint", "least_patches"]
