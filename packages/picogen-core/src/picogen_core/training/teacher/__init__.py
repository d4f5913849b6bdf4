"""A teacher's answers, from the teacher or from its cache."""
