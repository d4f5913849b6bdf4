"""What a folder of scores is worth, and the physics-aware loss."""
