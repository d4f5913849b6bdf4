"""Requests for pieces: options, prompts, lists."""
