"""A score report as one HTML file that needs nothing else."""
