"""Translation of Python expressions to JavaScript."""

from __future__ import annotations

import ast
import builtins
import inspect
import json
import re
from typing import Any

from picogen_core.html.names import BUILTINS, CLASS_SHIMS, METHODS, SHIMS, attribute, local, shim
from picogen_core.html.patterns import spell_pattern
from picogen_core.html.values import spell_value

_PACKAGE = "picogen_core."
_BINARY = {
    ast.Add: "$add", ast.Sub: "$sub", ast.Mult: "$mul", ast.Div: "$div", ast.FloorDiv: "$floordiv",
    ast.Mod: "$mod", ast.Pow: "$pow", ast.BitAnd: "$and", ast.BitOr: "$or", ast.BitXor: "$xor",
    ast.LShift: "$shl", ast.RShift: "$shr",
}  # fmt: skip
_COMPARE = {
    ast.Eq: "$eq({},{})", ast.NotEq: "!$eq({},{})", ast.Lt: "$lt({},{})", ast.Gt: "$lt({1},{0})",
    ast.LtE: "$le({},{})", ast.GtE: "$le({1},{0})", ast.Is: "$same({},{})",
    ast.IsNot: "!$same({},{})", ast.In: "$in({},{})", ast.NotIn: "!$in({},{})",
}  # fmt: skip


class Expressions:
    """Translator of the expressions of one function of `module`; `kind` is a method's class.

    scope: local names of the function and of enclosing ones.
    """

    def __init__(self, program: Any, module: Any, kind: Any = None) -> None:
        self.program, self.module, self.kind = program, module, kind
        self.scope: set[str] = set()
        self.parameters_here: set[str] = set()

    def expression(self, node: ast.expr) -> str:
        method = getattr(self, f"_e_{type(node).__name__.lower()}", None)
        if method is None:
            raise TypeError(f"{self.module.__name__}: {ast.unparse(node)} has no translation")
        return str(method(node))

    def truth(self, node: ast.expr) -> str:
        """Return a condition."""
        if isinstance(node, ast.BoolOp):
            sign = "&&" if isinstance(node.op, ast.And) else "||"
            return "(" + sign.join(self.truth(one) for one in node.values) + ")"
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            return f"!{self.truth(node.operand)}"
        made = self.expression(node)
        return f"({made})" if isinstance(node, ast.Compare) else f"$t({made})"

    def assign(self, target: ast.expr, value: str) -> str:
        """Return a statement that binds a target, also a nested one."""
        if isinstance(target, ast.Name):
            return f"{local(target.id)}={value};"
        if isinstance(target, ast.Attribute):
            return f"{self.expression(target.value)}.{attribute(target.attr)}={value};"
        if isinstance(target, ast.Subscript):
            where, at = self.expression(target.value), self.index(target.slice)
            return f"$set({where},{at},{value});"
        assert isinstance(target, ast.Tuple | ast.List)
        star = next((i for i, one in enumerate(target.elts) if isinstance(one, ast.Starred)), -1)
        behind = len(target.elts) - 1 - star if star >= 0 else 0
        parts = f"{{const $u=$unpack({value},{len(target.elts)},{star},{behind});"
        for i, one in enumerate(target.elts):
            inner = one.value if isinstance(one, ast.Starred) else one
            nested = self.assign(inner, f"$u[{i}]")
            parts += (
                f"{{const $n=$u[{i}];{self.assign(inner, '$n')}}}" if "$u=" in nested else nested
            )
        return parts + "}"

    def binary(self, op: ast.operator, left: str, right: str) -> str:
        return f"{_BINARY[type(op)]}({left},{right})"

    def index(self, node: ast.expr) -> str:
        if isinstance(node, ast.Slice):
            parts = (self.expression(one) if one else "null"
                     for one in (node.lower, node.upper, node.step))  # fmt: skip
            return f"$slice({','.join(parts)})"
        return self.expression(node)

    # Names and values

    def _e_constant(self, node: ast.Constant) -> str:
        return spell_value(node.value, self.program.refer)

    def _e_name(self, node: ast.Name) -> str:
        name = node.id
        if name in self.scope:
            return local(name)
        if name in self.module.__dict__:
            return self._global(name, self.module.__dict__[name])
        if name in BUILTINS and hasattr(builtins, name):
            return f"$b.{name}"
        raise TypeError(f"{self.module.__name__}: {name} has no translation")

    def _global(self, name: str, value: Any) -> str:
        known = shim(value)
        if known:
            return known
        plain = inspect.unwrap(value) if callable(value) else value
        if inspect.isclass(plain) or inspect.isfunction(plain):
            if plain.__module__.startswith(_PACKAGE):
                return str(self.program.refer(value))
            raise TypeError(f"{self.module.__name__}: {name} has no translation")
        if inspect.ismodule(value):
            return f"${value.__name__}"
        module = self.module.__name__.removeprefix(_PACKAGE).replace(".", "_")
        return str(self.program.value(f"{module}${name}", value))

    def _e_attribute(self, node: ast.Attribute) -> str:
        found = self._static(node)
        if found is not None:
            plain = inspect.unwrap(found) if callable(found) else found
            if inspect.isfunction(plain) or inspect.isclass(plain):
                return str(self.program.refer(found))
            if inspect.ismethod(plain):
                owner = self.program.refer(plain.__self__)
                return f"{owner}.{node.attr}.bind({owner})"
            return spell_value(found, self.program.refer)
        where = self.expression(node.value)
        if node.attr == "__dict__":
            return f"$dict({where})"
        if node.attr == "__name__":
            return f"$name({where})"
        if node.attr == "__getitem__":
            return f"$getter({where})"
        if node.attr in METHODS:  # a method as a value, or a property of that name
            return f'$bound({where},"{node.attr}")'
        return f"{where}.{attribute(node.attr)}"

    def _static(self, node: ast.Attribute) -> Any:
        """Return an attribute of a module or class; None if it is known only at run time."""
        if not isinstance(node.value, ast.Name) or node.value.id in self.scope:
            return None
        owner = self.module.__dict__.get(node.value.id)
        if inspect.ismodule(owner) and owner.__name__.startswith(_PACKAGE):
            return getattr(owner, node.attr)
        if inspect.ismodule(owner) and owner.__name__ == "re" and node.attr.isupper():
            return int(getattr(owner, node.attr))
        if inspect.isclass(owner) and owner.__module__.startswith(_PACKAGE):
            return getattr(owner, node.attr)
        return None

    # Operations

    def _e_boolop(self, node: ast.BoolOp) -> str:
        *before, last = [self.expression(one) for one in node.values]
        made = last
        name = "$both" if isinstance(node.op, ast.And) else "$either"
        for one in reversed(before):
            made = f"{name}({one},()=>{made})"
        return made

    def _e_binop(self, node: ast.BinOp) -> str:
        return self.binary(node.op, self.expression(node.left), self.expression(node.right))

    def _e_unaryop(self, node: ast.UnaryOp) -> str:
        if isinstance(node.op, ast.Not):
            return f"!{self.truth(node.operand)}"
        name = {ast.USub: "$neg", ast.Invert: "$not", ast.UAdd: ""}[type(node.op)]
        return f"{name}({self.expression(node.operand)})"

    def _e_compare(self, node: ast.Compare) -> str:
        operands = [node.left, *node.comparators]
        if len(node.ops) == 1:
            return self._pair(node.ops[0], *map(self.expression, operands))
        spelt = [self.expression(one) for one in operands]
        made = ""
        for i in range(len(node.ops) - 1, 0, -1):
            rest = f"&&{made}" if made else ""
            made = f"(({self._pair(node.ops[i], f'$c{i}', f'($c{i + 1}={spelt[i + 1]})')}){rest})"
        names = ",".join(f"$c{i}" for i in range(1, len(operands)))
        first = self._pair(node.ops[0], spelt[0], f"($c1={spelt[1]})")
        return f"(()=>{{let {names};return ({first})&&{made}}})()"

    def _pair(self, op: ast.cmpop, left: str, right: str) -> str:
        return _COMPARE[type(op)].format(left, right)

    def _e_ifexp(self, node: ast.IfExp) -> str:
        yes, no = self.expression(node.body), self.expression(node.orelse)
        return f"({self.truth(node.test)}?{yes}:{no})"

    def _e_namedexpr(self, node: ast.NamedExpr) -> str:
        return f"({local(node.target.id)}={self.expression(node.value)})"

    def _e_subscript(self, node: ast.Subscript) -> str:
        return f"$get({self.expression(node.value)},{self.index(node.slice)})"

    def _e_joinedstr(self, node: ast.JoinedStr) -> str:
        parts = []
        for one in node.values:
            if isinstance(one, ast.Constant):
                parts.append(json.dumps(one.value))
                continue
            assert isinstance(one, ast.FormattedValue)
            spec = one.format_spec
            given = self.expression(spec) if spec else '""'
            parts.append(f"$format({self.expression(one.value)},{given},{one.conversion})")
        return (
            f"({'+'.join(parts) or json.dumps('')})"
            if len(parts) > 1
            else (parts[0] if parts else '""')
        )

    # Lists, dicts, sets

    def _items(self, elements: list[ast.expr]) -> str:
        return ",".join(
            f"...{self.expression(one.value)}" if isinstance(one, ast.Starred)
            else self.expression(one)
            for one in elements
        )  # fmt: skip

    def _e_tuple(self, node: ast.Tuple) -> str:
        return f"[{self._items(node.elts)}]"

    def _e_list(self, node: ast.List) -> str:
        return f"[{self._items(node.elts)}]"

    def _e_set(self, node: ast.Set) -> str:
        return f"new $Set([{self._items(node.elts)}])"

    def _e_dict(self, node: ast.Dict) -> str:
        parts = ",".join(
            f"[{self.expression(key)},{self.expression(value)}]" if key
            else f"...{self.expression(value)}.items()"
            for key, value in zip(node.keys, node.values, strict=True)
        )  # fmt: skip
        return f"new $Dict([{parts}])"

    def _comprehend(self, node: Any, inner: str, made: str, element: list[ast.expr]) -> str:
        outer, self.scope = self.scope, set(self.scope)
        head, tail = "", ""
        for part in node.generators:
            items = self.expression(part.iter)
            names = [one.id for one in ast.walk(part.target) if isinstance(one, ast.Name)]
            self.scope |= set(names)
            declared = ",".join(local(name) for name in names)
            head += f"for(const $x of {items}){{let {declared};{self.assign(part.target, '$x')}"
            for condition in part.ifs:
                head += f"if(!{self.truth(condition)})continue;"
            tail += "}"
        inner = inner.format(*(self.expression(one) for one in element))
        self.scope = outer
        return made.format(f"{head}{inner}{tail}")

    def _e_listcomp(self, node: ast.ListComp) -> str:
        made = "(()=>{{const $r=[];{}return $r}})()"
        return self._comprehend(node, "$r.push({});", made, [node.elt])

    def _e_setcomp(self, node: ast.SetComp) -> str:
        made = "(()=>{{const $r=new $Set();{}return $r}})()"
        return self._comprehend(node, "$r.add({});", made, [node.elt])

    def _e_dictcomp(self, node: ast.DictComp) -> str:
        made = "(()=>{{const $r=new $Dict();{}return $r}})()"
        return self._comprehend(node, "$r.put({},{});", made, [node.key, node.value])

    def _e_generatorexp(self, node: ast.GeneratorExp) -> str:
        return self._comprehend(node, "yield {};", "(function*(){{{}}})()", [node.elt])

    def _e_lambda(self, node: ast.Lambda) -> str:
        names = [one.arg for one in node.args.args]
        outer, self.scope = self.scope, self.scope | set(names)
        body = self.expression(node.body)
        self.scope = outer
        return f"(({','.join(map(local, names))})=>{body})"

    def _e_yield(self, node: ast.Yield) -> str:
        return f"(yield {self.expression(node.value) if node.value else 'null'})"

    def _e_yieldfrom(self, node: ast.YieldFrom) -> str:
        return f"(yield* {self.expression(node.value)})"

    # Calls

    def _e_call(self, node: ast.Call) -> str:
        function = node.func
        if isinstance(function, ast.Attribute):
            special = self._special(node, function)
            if special:
                return special
        else:
            special = ""
        found = self._found(function)
        given = self._arguments(node, found)
        if isinstance(function, ast.Name) and function.id == "cls" and "cls" in self.scope:
            return f"$create(cls,[{given}])"
        if found is not None:
            called = self.expression(function)
            if inspect.isclass(inspect.unwrap(found)) and not called.startswith("$b."):
                if called in CLASS_SHIMS:
                    return f"{called}.make({given})"
                if called in SHIMS.values():
                    return f"{called}({given})"
                if issubclass(found, tuple):
                    return f"{called}.$new({given})"
                return f"new {called}({given})"
            new = "new " if inspect.isclass(found) and issubclass(found, Exception) else ""
            return f"{new}{called}({given})"
        if isinstance(function, ast.Attribute):
            where = self.expression(function.value)
            if function.attr in METHODS:
                return f'$m({where},"{function.attr}"{"," if given else ""}{given})'
            if node.keywords:
                return self._by_name(node, where, function.attr)
            return f"{where}.{attribute(function.attr)}({given})"
        return f"{self.expression(function)}({given})"

    def _special(self, node: ast.Call, function: ast.Attribute) -> str:
        owner = function.value
        given = ",".join(self.expression(one) for one in node.args
                         if not isinstance(one, ast.Starred))  # fmt: skip
        if isinstance(owner, ast.Call) and ast.unparse(owner) == "super()":
            return self._inherited(node, function.attr)
        if isinstance(owner, ast.Name) and owner.id not in self.scope:
            value = self.module.__dict__.get(owner.id)
            if inspect.ismodule(value) and value.__name__ == "re":
                return self._regular(node, function.attr)
            if owner.id == "dict" and function.attr == "fromkeys":
                return f"$fromkeys({given})"
            if owner.id == "object" and function.attr == "__new__":
                return f"Object.create({given}.prototype)"
        return ""

    def _inherited(self, node: ast.Call, name: str) -> str:
        """Return a call `super().name(…)`."""
        base, given = self.kind.__mro__[1], self._items(node.args)
        if base in (Exception, object):
            return f"$initialise(self,{given})" if given else "undefined"
        if node.keywords:
            given = self._arguments(node, getattr(base, name), skip=1)
        where = f"{self.program.refer(base)}.prototype.{attribute(name)}"
        return f"{where}.call(self{',' if given else ''}{given})"

    def _regular(self, node: ast.Call, name: str) -> str:
        pattern, *rest = node.args
        flags = 0
        for keyword in node.keywords:
            if keyword.arg == "flags":
                flags = self._flags(keyword.value)
        if len(rest) > (2 if name == "sub" else 1) and name != "sub":
            flags = self._flags(rest.pop())
        if not isinstance(pattern, ast.Constant):
            raise TypeError(f"{self.module.__name__}: {ast.unparse(node)}: no constant pattern")
        spelt = spell_pattern(re.compile(pattern.value, flags))
        return f"$constant({spelt}).{name}({self._items(rest)})"

    def _flags(self, node: ast.expr) -> int:
        return int(eval(ast.unparse(node), {"re": re}))

    def _found(self, function: ast.expr) -> Any:
        """Return the called Python object, if it is known."""
        if isinstance(function, ast.Name) and function.id not in self.scope:
            if function.id in self.module.__dict__:
                return self.module.__dict__[function.id]
            return getattr(builtins, function.id, None)
        if isinstance(function, ast.Attribute):
            return self._static(function)
        return None

    def _arguments(self, node: ast.Call, found: Any, skip: int = 0) -> str:
        given = self._items(node.args)
        if not node.keywords:
            return given
        names = [keyword.arg for keyword in node.keywords]
        module = getattr(inspect.unwrap(found) if callable(found) else found, "__module__", "")
        if not (module or "").startswith(_PACKAGE):
            pairs = ",".join(f"{keyword.arg}:{self.expression(keyword.value)}"
                             if keyword.arg else f"...$plain({self.expression(keyword.value)})"
                             for keyword in node.keywords)  # fmt: skip
            return f"{given}{',' if given else ''}$keywords({{{pairs}}})"
        order = list(inspect.signature(found).parameters)[skip:]
        if None in names:
            pairs = ",".join(f"...$plain({self.expression(keyword.value)})" if not keyword.arg
                             else f"{keyword.arg}:{self.expression(keyword.value)}"
                             for keyword in node.keywords)  # fmt: skip
            return f"...$ordered([{given}],{json.dumps(order)},{{{pairs}}})"
        values = {keyword.arg: self.expression(keyword.value) for keyword in node.keywords}
        rest = order[len(node.args) :]
        last = max(rest.index(name) for name in values if name)
        tail = [values.get(name, "undefined") for name in rest[: last + 1]]
        return ",".join([*([given] if given else []), *tail])

    def _by_name(self, node: ast.Call, where: str, name: str) -> str:
        """Return a method call with keywords: of the class itself, or the only one of that name."""
        if name == "_replace":
            return f"{where}._replace({self._arguments(node, None)})"
        found = getattr(self.kind, name, None) if where == "self" else self.program.method(name)
        if found is None:
            raise TypeError(f"{self.module.__name__}: {ast.unparse(node)}: whose method is it?")
        given = self._arguments(node, found, skip=1)
        return f"{where}.{attribute(name)}({given})"
