"""How a piece is written: patch by patch, character by character."""
