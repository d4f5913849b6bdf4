"""A score report as one self-contained HTML file."""
