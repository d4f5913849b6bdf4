"""PiCo-Gen's conformance kit on the installed plugin."""

from picogen_core.testing import backbone_checks, plugin_checks


@backbone_checks("gru")
def test_gru(check):
    check()


@backbone_checks("gru", options={"layers": 1, "dropout": 0.1})
def test_gru_with_dropout(check):
    check()


@plugin_checks("picogen-gru")
def test_plugin(check):
    check()
