"""Metrics of folders of scores, and the physics-aware loss."""
