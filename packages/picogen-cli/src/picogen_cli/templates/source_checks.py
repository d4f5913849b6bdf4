"""PiCo-Gen's conformance kit on the installed plugin."""

from pathlib import Path

from picogen_core.testing import plugin_checks, source_checks

TUNES = Path(__file__).parent / "three.jsonl"


@source_checks("my-name", which=TUNES)
def test_my_module(check):
    check()


@plugin_checks("my-distribution")
def test_plugin(check):
    check()
