"""NotaGen's form: one line per bar, voices side by side."""
