"""Generation of a piece: patch by patch, character by character."""
