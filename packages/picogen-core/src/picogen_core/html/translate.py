"""Python functions and classes as JavaScript, so that the page and the command share one grammar.

The translator covers the plain Python that the ABC modules are written in and refuses the rest.
It begins at some roots and follows what they use. What stands at the top of a module comes as the
value that Python gave it: tables, patterns, sets of characters. `runtime.js` has the helpers, whose
names begin with `$`: whole numbers of any size, truth, tuples as keys, the methods of strings.
"""

from __future__ import annotations

import ast
import inspect
import sys
import textwrap
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

from picogen_core.html.expressions import Expressions
from picogen_core.html.names import attribute, local, path
from picogen_core.html.values import spell_value

_PACKAGE = "picogen_core."


class Untranslatable(Exception):
    """Python that the translator does not cover: where it stands and what it is."""


def translate(roots: Iterable[Callable[..., Any]], without: Iterable[str] = ()) -> str:
    """JavaScript in which `$py` holds the roots by their names, with all that they use, but for
    methods of the names that it goes `without`.

    Raises:
        Untranslatable: something that they use is no plain Python.
    """
    return _Program(roots, frozenset(without)).javascript()


class _Program:
    """What has been translated so far. `parts` are classes and functions by path, in order."""

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
        """The JavaScript name of a function or class, which is translated later."""
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
        """The method of that name in the loaded classes, if they agree on its parameters."""
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
        """The name of a module's value, which is written out once, whoever imports it."""
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
    return _Body(program, module).function(tree, f"function{{}} {path(function)}")


class _Class:
    """A class: its methods, and what Python itself makes for named tuples and data classes."""

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
        """The constructor of a data class; each new object gets its own lists."""
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
        body = _Body(self.program, self.module, self.kind)
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


class _Body(Expressions):
    """The statements of one function."""

    def __init__(self, program: _Program, module: Any, kind: Any = None) -> None:
        super().__init__(program, module, kind)

    def function(self, tree: ast.FunctionDef, start: str, own: str = "") -> str:
        """`start` has `{}` where a generator has its star; `own` is what the first name means."""
        names = [one.arg for one in (*tree.args.posonlyargs, *tree.args.args)]
        first = names.pop(0) if own else ""
        outer = self.scope
        self.scope = {*names, *self._assigned(tree)}
        parameters = self.parameters(tree.args, skip=bool(own))
        self.scope = (
            outer
            | set(self._assigned(tree))
            | {one.split("=")[0].lstrip(".") for one in parameters}
            | {first}
        )
        given = {*names, *(one.arg for one in tree.args.kwonlyargs)}
        if tree.args.vararg:
            given.add(tree.args.vararg.arg)
        self.scope |= given
        fresh = [local(one) for one in self._assigned(tree) if one not in given and one != first]
        outer_parameters, self.parameters_here = self.parameters_here, given
        body = "".join(self.statement(one) for one in tree.body)
        self.parameters_here, self.scope = outer_parameters, outer
        star = "*" if _yields(tree) else ""
        head = f"const {local(first)}={own};" if first else ""
        head += f"let {','.join(fresh)};" if fresh else ""
        return f"{start.replace('{}', star)}({','.join(parameters)}){{{head}{body}}}"

    def parameters(self, args: ast.arguments, skip: bool = False) -> list[str]:
        plain = [*args.posonlyargs, *args.args]
        given: list[ast.expr | None] = [None] * (len(plain) - len(args.defaults))
        pairs = list(zip(plain, [*given, *args.defaults], strict=True))[1 if skip else 0 :]
        pairs += zip(args.kwonlyargs, args.kw_defaults, strict=True)
        if args.kwarg or (args.vararg and args.kwonlyargs):
            raise Untranslatable("**keywords, or keywords behind *arguments")
        made = [local(one.arg) + (f"={self.expression(value)}" if value else "")
                for one, value in pairs]  # fmt: skip
        return made + ([f"...{local(args.vararg.arg)}"] if args.vararg else [])

    def _assigned(self, tree: ast.FunctionDef) -> list[str]:
        """Names that the function itself binds."""
        found: dict[str, None] = {}
        outer: set[str] = set()

        def look(node: ast.AST) -> None:
            for child in ast.iter_child_nodes(node):
                if isinstance(child, ast.FunctionDef):
                    found[child.name] = None
                elif isinstance(child, ast.Nonlocal):
                    outer.update(child.names)
                elif isinstance(child, ast.Lambda):
                    continue
                elif isinstance(child, ast.comprehension):
                    look(child.iter)
                    for condition in child.ifs:
                        look_walrus(condition)
                elif isinstance(
                    child, ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp
                ):
                    look_walrus(child)
                else:
                    if isinstance(child, ast.Name) and isinstance(child.ctx, ast.Store | ast.Del):
                        found[child.id] = None
                    if isinstance(child, ast.ExceptHandler) and child.name:
                        found[child.name] = None
                    look(child)

        def look_walrus(node: ast.AST) -> None:
            for child in ast.walk(node):
                if isinstance(child, ast.NamedExpr):
                    found[child.target.id] = None

        for one in tree.body:
            look(ast.Module([one], []))
        return [name for name in found if name not in outer]

    def statement(self, node: ast.stmt) -> str:
        method = getattr(self, f"_{type(node).__name__.lower()}", None)
        if method is None:
            raise Untranslatable(f"{self.module.__name__}: {ast.unparse(node)}")
        return str(method(node))

    def _block(self, body: list[ast.stmt]) -> str:
        return "{" + "".join(self.statement(one) for one in body) + "}"

    def _expr(self, node: ast.Expr) -> str:
        return "" if isinstance(node.value, ast.Constant) else self.expression(node.value) + ";"

    def _return(self, node: ast.Return) -> str:
        return f"return {self.expression(node.value) if node.value else 'null'};"

    def _pass(self, node: ast.Pass) -> str:
        return ""

    def _assert(self, node: ast.Assert) -> str:
        return ""

    def _nonlocal(self, node: ast.Nonlocal) -> str:
        return ""

    def _importfrom(self, node: ast.ImportFrom) -> str:
        return ""

    def _break(self, node: ast.Break) -> str:
        return "break;"

    def _continue(self, node: ast.Continue) -> str:
        return "continue;"

    def _functiondef(self, node: ast.FunctionDef) -> str:
        return f"{local(node.name)}=" + self.function(node, "function{}") + ";"

    def _assign(self, node: ast.Assign) -> str:
        value = self.expression(node.value)
        if len(node.targets) == 1:
            return self.assign(node.targets[0], value)
        kept = "".join(self.assign(one, "$v") for one in node.targets)
        return f"{{const $v={value};{kept}}}"

    def _annassign(self, node: ast.AnnAssign) -> str:
        return self.assign(node.target, self.expression(node.value)) if node.value else ""

    def _augassign(self, node: ast.AugAssign) -> str:
        target, value = node.target, self.expression(node.value)
        if isinstance(node.op, ast.Add) and (
            isinstance(node.value, ast.List | ast.ListComp)
            or (isinstance(target, ast.Name) and target.id in self.parameters_here)
        ):
            read = self.expression(target)
            return f"if(Array.isArray({read})){read}.push(...{value});else " + self.assign(
                target, f"$add({read},{value})"
            )
        if isinstance(target, ast.Subscript):
            where = self.expression(target.value)
            at = self.expression(target.slice)
            done = self.binary(node.op, "$get($o,$i)", value)
            return f"{{const $o={where},$i={at};$set($o,$i,{done});}}"
        return self.assign(target, self.binary(node.op, self.expression(target), value))

    def _delete(self, node: ast.Delete) -> str:
        made = ""
        for target in node.targets:
            if not isinstance(target, ast.Subscript):
                raise Untranslatable(ast.unparse(node))
            made += f"$del({self.expression(target.value)},{self.index(target.slice)});"
        return made

    def _if(self, node: ast.If) -> str:
        made = f"if({self.truth(node.test)}){self._block(node.body)}"
        return made + (f"else{self._block(node.orelse)}" if node.orelse else "")

    def _while(self, node: ast.While) -> str:
        if node.orelse:
            raise Untranslatable(ast.unparse(node))
        return f"while({self.truth(node.test)}){self._block(node.body)}"

    def _for(self, node: ast.For) -> str:
        if node.orelse:
            raise Untranslatable(ast.unparse(node))
        step = self.assign(node.target, "$x")
        items = self.expression(node.iter)
        return f"for(const $x of {items}){{{step}{self._block(node.body)}}}"

    def _raise(self, node: ast.Raise) -> str:
        return f"throw {self.expression(node.exc) if node.exc else '$e'};"

    def _try(self, node: ast.Try) -> str:
        if node.orelse or node.finalbody:
            raise Untranslatable(ast.unparse(node))
        made = f"try{self._block(node.body)}catch($e){{"
        for handler in node.handlers:
            kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
            listed = ",".join(self.expression(one) for one in kinds if one)
            named = f"{local(handler.name)}=$e;" if handler.name else ""
            made += f"if($caught($e,[{listed}])){{{named}{self._block(handler.body)}}}else "
        return made + "throw $e;}"


def _yields(tree: ast.FunctionDef) -> bool:
    pending: list[ast.AST] = list(tree.body)
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Yield | ast.YieldFrom):
            return True
        if not isinstance(node, ast.FunctionDef | ast.Lambda | ast.GeneratorExp):
            pending += ast.iter_child_nodes(node)
    return False
