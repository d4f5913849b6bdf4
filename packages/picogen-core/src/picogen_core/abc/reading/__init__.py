"""ABC as notes."""
