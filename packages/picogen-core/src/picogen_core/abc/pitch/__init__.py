"""Keys, intervals, transposition and spelling."""
