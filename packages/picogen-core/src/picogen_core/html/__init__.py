"""A page that composes: a student and its engine in one HTML file."""
