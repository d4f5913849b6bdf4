"""The one model class, its heads, and the files it is kept in."""
