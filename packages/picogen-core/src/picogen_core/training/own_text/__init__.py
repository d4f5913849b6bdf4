"""Training on text sampled from the student: on-policy steps and rewards."""
