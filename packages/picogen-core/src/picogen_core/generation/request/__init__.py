"""What is requested of a piece: options, prompts, lists of jobs."""
