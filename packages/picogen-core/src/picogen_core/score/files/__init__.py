"""Score files that are not ABC, read into ABC in a process of their own."""
