"""Modules under their names of 0.1."""

import importlib
import sys

import pytest
from picogen_core.plugins.moved import MOVED


@pytest.mark.parametrize("old", MOVED)
def test_the_old_name_gives_the_new_module_and_a_warning(old):
    sys.modules.pop(f"picogen_core.{old}", None)
    new = importlib.import_module(f"picogen_core.{MOVED[old]}")
    spec = new.__spec__
    with pytest.warns(
        FutureWarning, match=rf"picogen_core.{old} is picogen_core.{MOVED[old]} since"
    ):
        assert importlib.import_module(f"picogen_core.{old}") is new
    assert new.__spec__ is spec
    assert new.__name__ == f"picogen_core.{MOVED[old]}"


def test_an_unknown_module_is_still_unknown():
    with pytest.raises(ModuleNotFoundError, match=r"No module named 'picogen_core.neverwas'"):
        importlib.import_module("picogen_core.neverwas")
