"""PiCo-Gen's conformance kit on the installed plugin."""

from picogen_core.testing import KIND_checks, plugin_checks


@KIND_checks("my-name")
def test_my_module(check):
    check()


@plugin_checks("my-distribution")
def test_plugin(check):
    check()
