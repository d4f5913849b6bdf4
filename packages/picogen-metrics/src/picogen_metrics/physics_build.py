"""`build` of the loss `physics`: the class for its mode."""

from __future__ import annotations

from picogen_core import Feedback, Loss

from picogen_metrics.physics_feedback import PhysicsFeedback
from picogen_metrics.physics_loss import PhysicsAwareLoss
from picogen_metrics.physics_options import PhysicsOptions


def physics(options: PhysicsOptions) -> Loss | Feedback:
    if options.mode == "feedback":
        return PhysicsFeedback(options)
    return PhysicsAwareLoss(options)
