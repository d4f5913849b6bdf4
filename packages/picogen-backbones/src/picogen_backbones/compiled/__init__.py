"""The backbones without torch: weights as numpy arrays, one compiled step (picogen_core.compiled)."""
