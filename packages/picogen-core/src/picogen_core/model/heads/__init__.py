"""Character models: from the hidden state of patch t to the characters of patch t + 1."""
