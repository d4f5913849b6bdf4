"""The model class, its heads, and its files."""
