"""The examples' tests need the examples installed, as tests/test_third_party.py does."""

from importlib.util import find_spec

collect_ignore_glob = [] if find_spec("picogen_gru") else ["picogen-gru/*"]
