"""ABC notation: lexer, notes, bars, patches, repair. Pure Python, no torch."""
