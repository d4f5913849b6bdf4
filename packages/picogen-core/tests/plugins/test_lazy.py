"""`lazy` names a function without importing it."""

import sys

import pytest
from picogen_core import lazy, lazy_class


def test_the_module_is_imported_at_the_first_call(tmp_path, monkeypatch):
    (tmp_path / "late_module.py").write_text("def add(a, b): return a + b\nclass Sizes: ...\n")
    monkeypatch.syspath_prepend(tmp_path)
    add, sizes = lazy("late_module:add"), lazy_class("late_module:Sizes")
    assert "late_module" not in sys.modules
    assert add(1, b=2) == 3
    assert sizes() is sys.modules["late_module"].Sizes


@pytest.mark.parametrize("target", ["module", "module:", ":name", "module:a.b", ""])
def test_a_target_names_a_module_and_something_in_it(target):
    with pytest.raises(ValueError, match=r"is not of the form 'package.module:name'"):
        lazy(target)
