"""Teacher outputs, from the teacher or from its cache."""
