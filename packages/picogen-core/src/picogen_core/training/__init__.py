"""One training loop: `train` is `distill` without a teacher."""
