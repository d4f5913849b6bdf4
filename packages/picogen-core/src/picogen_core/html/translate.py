"""Translation of Python functions and classes to JavaScript; page and command share one grammar.

The translator covers the plain Python of the ABC modules and refuses the rest. It begins at some
roots and follows their references. Module-level names become the values that Python computed:
tables, patterns, sets of characters. `runtime*.js` have the helpers, whose names begin with `$`:
integers of any size, truth, tuples as keys, the methods of strings.
"""

from __future__ import annotations

import ast
import inspect
import sys
import textwrap
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

from picogen_core.html.names import attribute, local, path
from picogen_core.html.statements import Statements
from picogen_core.html.values import spell_value

_PACKAGE = "picogen_core."


def translate(roots: Iterable[Callable[..., Any]], without: Iterable[str] = ()) -> str:
    """Return JavaScript in which `$py` holds the roots by name, with everything they use.

    Methods named in `without` are left out.

    Raises:
        Untranslatable: they use Python that the translator does not cover.
    """
    return _Program(roots, frozenset(without)).javascript()


class _Program:
    """The translation so far. `parts` are classes and functions by path, in order."""

    def __init__(self, roots: Iterable[Callable[..., Any]], without: frozenset[str]) -> None:
        self.roots, self.without = list(roots), without
        self.parts: dict[str, str] = {}
        self.values: dict[str, str] = {}
        self._names: dict[int, str] = {}
        self._open: list[Any] = []
        self._seen: set[str] = set()

    def javascript(self) -> str:
        names = {root.__name__: self.refer(root) for root in self.roots}
        while self._open:
            self._translate(self._open.pop())
        given = ",".join(f"{name}:{where}" for name, where in names.items())
        values = [f"const {name}={value};" for name, value in self.values.items()]
        return "\n".join([*self.parts.values(), *values, f"const $py={{{given}}};"]) + "\n"

    def refer(self, part: Any) -> str:
        """Return the JavaScript name of a function or class, which is translated later."""
        plain = inspect.unwrap(part)
        owner, _, name = plain.__qualname__.rpartition(".")
        if owner:  # a method, as a value
            if isinstance(vars(_owner(plain, owner))[name], staticmethod):
                return f"{self.refer(_owner(plain, owner))}.{attribute(name)}"
            return f"$unbound({self.refer(_owner(plain, owner))}.prototype.{attribute(name)})"
        where = path(plain)
        if where not in self._seen:
            self._seen.add(where)
            self._open.append(part)
            if inspect.isclass(plain):
                for base in plain.__bases__:
                    if base.__module__.startswith(_PACKAGE):
                        self.refer(base)
        return where

    def method(self, name: str) -> Any:
        """Return the method of that name in the loaded classes, if they agree on its parameters."""
        found = {}
        for module in list(sys.modules.values()):
            if not getattr(module, "__name__", "").startswith(_PACKAGE):
                continue
            for kind in list(vars(module).values()):
                method = vars(kind).get(name) if inspect.isclass(kind) else None
                if inspect.isfunction(method) and kind.__module__.startswith(_PACKAGE):
                    found[tuple(inspect.signature(method).parameters)] = method
        return next(iter(found.values())) if len(found) == 1 else None

    def value(self, where: str, value: Any) -> str:
        """Return the name of a module's value, which is written once for all importers."""
        if not isinstance(value, str | int):
            where = self._names.setdefault(id(value), where)
        if where not in self.values:
            self.values[where] = ""
            self.values[where] = self.values.pop(where) or spell_value(value, self.refer)
        return where

    def _translate(self, part: Any) -> None:
        plain = inspect.unwrap(part)
        module = sys.modules[plain.__module__]
        if inspect.isclass(plain):
            self._translate_bases(plain)
            code = _Class(self, module, plain).javascript()
        else:
            code = _function(self, module, plain)
            if part is not plain:
                most = part.cache_parameters()["maxsize"]
                code = f"const {path(plain)}=$memo({most},{code});"
        self.parts.setdefault(path(plain), code)

    def _translate_bases(self, kind: type) -> None:
        for base in kind.__bases__:
            where = path(base) if base.__module__.startswith(_PACKAGE) else ""
            if where and where not in self.parts:
                self._open = [one for one in self._open if one is not base]
                self._seen.add(where)
                self._translate(base)


def _owner(function: Any, owner: str) -> Any:
    return getattr(sys.modules[function.__module__], owner)


@cache
def _tree(part: Any) -> ast.FunctionDef | ast.ClassDef:
    found = ast.parse(textwrap.dedent(inspect.getsource(part))).body[0]
    assert isinstance(found, ast.FunctionDef | ast.ClassDef)
    return found


def _function(program: _Program, module: Any, function: Any) -> str:
    tree = _tree(function)
    assert isinstance(tree, ast.FunctionDef)
    return Statements(program, module).function(tree, f"function{{}} {path(function)}")


class _Class:
    """A class: its methods, and those that Python generates for named tuples and data classes."""

    def __init__(self, program: _Program, module: Any, kind: Any) -> None:
        self.program, self.module, self.kind = program, module, kind

    def javascript(self) -> str:
        tree = _tree(self.kind)
        named = issubclass(self.kind, tuple)
        base = "$NamedTuple" if named else self._base()
        members, after = [], []
        if named:
            after += self._named()
        elif "__dataclass_fields__" in self.kind.__dict__:
            members.append(self._initialise())
        for one in tree.body:
            if isinstance(one, ast.FunctionDef) and one.name not in self.program.without:
                members.append(self._member(one))
        name = path(self.kind)
        for key, value in self.kind.__dict__.items():
            fields = self.kind.__dict__.get("__dataclass_fields__", {})
            if key not in fields and _is_data(key, value):
                spelt = spell_value(value, self.program.refer)
                after.append(f"{name}.{key}={name}.prototype.{key}={spelt};")
        return f"class {name} extends {base}{{{''.join(members)}}}" + "".join(after)

    def _base(self) -> str:
        for base in self.kind.__bases__:
            if base.__module__.startswith(_PACKAGE):
                return self.program.refer(base)
        return "$Exception" if issubclass(self.kind, Exception) else "$Object"

    def _named(self) -> list[str]:
        name = path(self.kind)
        given = {
            field: spell_value(value, self.program.refer)
            for field, value in self.kind._field_defaults.items()
        }
        fields = ",".join(f'"{attribute(field)}"' for field in self.kind._fields)
        values = ",".join(given.get(field, "undefined") for field in self.kind._fields)
        return [f"$named({name},[{fields}],[{values}]);"]

    def _initialise(self) -> str:
        """Return the constructor of a data class; each new object gets its own lists."""
        names, made = [], []
        for field in self.kind.__dataclass_fields__.values():
            given = ""
            if callable(field.default_factory):
                known = {list: "[]", dict: "new $Dict()", set: "new $Set()"}
                factory = field.default_factory
                given = known.get(factory) or f"{self.program.refer(factory)}()"
            elif type(field.default).__name__ != "_MISSING_TYPE":
                given = spell_value(field.default, self.program.refer)
            names.append(local(field.name) + (f"={given}" if given else ""))
            made.append(f"this.{attribute(field.name)}={local(field.name)};")
        fields = ",".join(f'"{attribute(name)}"' for name in self.kind.__dataclass_fields__)
        same = self.kind.__dataclass_params__.eq
        return (
            f"__init__({','.join(names)}){{{''.join(made)}}}get $fields(){{return [{fields}]}}"
            f"get $same(){{return {str(same).lower()}}}"
        )

    def _member(self, tree: ast.FunctionDef) -> str:
        marks = {ast.unparse(one).split("(")[0].split(".")[-1] for one in tree.decorator_list}
        body = Statements(self.program, self.module, self.kind)
        name = attribute(tree.name)
        if "staticmethod" in marks:
            return body.function(tree, f"static{{}} {name}")
        if "classmethod" in marks:
            return body.function(tree, f"static{{}} {name}", "this")
        if "property" in marks:
            return body.function(tree, f"get {name}", "this")
        if "cached_property" in marks:
            inner = body.function(tree, "function", "this")
            return f'get {name}(){{return $once(this,"{name}",{inner})}}'
        return body.function(tree, f"{{}}{name}", "this")


def _is_data(key: str, value: Any) -> bool:
    kinds = (str, int, float, tuple, dict, frozenset)
    return (
        not key.startswith("__")
        and key not in ("_fields", "_field_defaults")
        and (isinstance(value, kinds))
    )
