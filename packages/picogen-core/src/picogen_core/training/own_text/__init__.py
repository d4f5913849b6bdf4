"""Training on what the student writes itself."""
