"""Translation of Python statements and functions to JavaScript."""

from __future__ import annotations

import ast
from typing import Any

from picogen_core.html.expressions import Expressions
from picogen_core.html.names import local


class Untranslatable(Exception):
    """Python code that the translator does not cover."""


class Statements(Expressions):
    """Translator of the statements of one function."""

    def __init__(self, program: Any, module: Any, kind: Any = None) -> None:
        super().__init__(program, module, kind)

    def function(self, tree: ast.FunctionDef, start: str, own: str = "") -> str:
        """Return a function; `start` has `{}` for a generator's star, `own` stands for self."""
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
        star = "*" if yields(tree) else ""
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
        """Return the names that the function itself binds."""
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


def yields(tree: ast.FunctionDef) -> bool:
    pending: list[ast.AST] = list(tree.body)
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Yield | ast.YieldFrom):
            return True
        if not isinstance(node, ast.FunctionDef | ast.Lambda | ast.GeneratorExp):
            pending += ast.iter_child_nodes(node)
    return False
