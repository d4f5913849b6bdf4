"""A page that composes: a student, the engine that runs it and what it needs, in one HTML file."""
