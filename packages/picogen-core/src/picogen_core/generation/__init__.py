"""From a prompt to pieces: prompts, sampling, the decoder, and the files it leaves."""
