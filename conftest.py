"""For all tests: kernels are compiled before they are needed, never in the background."""

import os

os.environ.setdefault("PICOGEN_COMPILE", "wait")
