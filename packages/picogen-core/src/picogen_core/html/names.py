"""JavaScript names of Python's names."""

from __future__ import annotations

from typing import Any

_RESERVED = frozenset(
    [
        "arguments",
        "await",
        "case",
        "catch",
        "class",
        "const",
        "continue",
        "debugger",
        "default",
        "delete",
        "do",
        "else",
        "enum",
        "eval",
        "export",
        "extends",
        "false",
        "finally",
        "for",
        "function",
        "if",
        "implements",
        "import",
        "in",
        "instanceof",
        "interface",
        "let",
        "new",
        "null",
        "package",
        "private",
        "protected",
        "public",
        "return",
        "static",
        "super",
        "switch",
        "this",
        "throw",
        "true",
        "try",
        "typeof",
        "var",
        "void",
        "while",
        "with",
        "yield",
    ]
)
_PROPERTIES = frozenset(["length", "constructor", "prototype", "__proto__", "caller", "arguments"])

BUILTINS = frozenset(
    [
        "abs",
        "all",
        "any",
        "bool",
        "bytes",
        "chr",
        "dict",
        "divmod",
        "enumerate",
        "filter",
        "float",
        "frozenset",
        "getattr",
        "int",
        "isinstance",
        "iter",
        "len",
        "list",
        "map",
        "max",
        "min",
        "next",
        "ord",
        "range",
        "repr",
        "reversed",
        "round",
        "set",
        "sorted",
        "str",
        "sum",
        "tuple",
        "type",
        "zip",
        "ValueError",
        "KeyError",
        "IndexError",
        "Exception",
        "ZeroDivisionError",
        "object",
    ]
)
METHODS = frozenset(
    [
        "add",
        "append",
        "bit_length",
        "clear",
        "copy",
        "count",
        "decode",
        "difference",
        "discard",
        "encode",
        "end",
        "endswith",
        "extend",
        "find",
        "find_all",
        "findall",
        "finditer",
        "format",
        "fullmatch",
        "get",
        "group",
        "groups",
        "index",
        "insert",
        "intersection",
        "isalnum",
        "isalpha",
        "isdecimal",
        "isdigit",
        "islower",
        "isprintable",
        "isspace",
        "isupper",
        "items",
        "join",
        "keys",
        "ljust",
        "lower",
        "lstrip",
        "match",
        "most_common",
        "partition",
        "pop",
        "remove",
        "removeprefix",
        "removesuffix",
        "replace",
        "reverse",
        "rfind",
        "rpartition",
        "rsplit",
        "rstrip",
        "search",
        "setdefault",
        "sort",
        "span",
        "split",
        "splitlines",
        "start",
        "startswith",
        "strip",
        "sub",
        "swapcase",
        "title",
        "translate",
        "union",
        "update",
        "upper",
        "values",
        "zfill",
        "union",
        "setdefault",
        "appendleft",
        "popleft",
        "is_integer",
        "limit_denominator",
        "as_integer_ratio",
    ]
)
"""Methods of Python's own types; the page picks the right one at run time."""

SHIMS = {
    "fractions.Fraction": "$Fraction",
    "collections.Counter": "$Counter",
    "itertools.pairwise": "$pairwise",
    "itertools.accumulate": "$accumulate",
    "itertools.chain": "$chain",
    "itertools.zip_longest": "$zip_longest",
    "dataclasses.replace": "$replaced",
    "unidecode.unidecode_expect_ascii": "$unidecode",
    "math.gcd": "$gcd",
    "math.lcm": "$lcm",
    "bisect.bisect_right": "$bisect",
    "_bisect.bisect_right": "$bisect",
    "picogen_core.abc.patches.encode_prompt": "$encode_prompt",
    "picogen_core.abc.reading.macros.Macros": "$NoMacros",
}
"""Replacements in `runtime*.js` for functions and classes of other modules."""
CLASS_SHIMS = frozenset(["$Fraction", "$Counter", "$NoMacros"])
"""The classes among them."""


def shim(value: Any) -> str:
    module, name = getattr(value, "__module__", ""), getattr(value, "__qualname__", "")
    return SHIMS.get(f"{module}.{name}", "")


def local(name: str) -> str:
    """Return the name of a variable."""
    return f"{name}$" if name in _RESERVED else name


def attribute(name: str) -> str:
    """Return the name of a property; names reserved in JavaScript get a mark."""
    return f"${name}" if name in _PROPERTIES else name


def path(part: Any) -> str:
    """Return the unique name of a function or class of this package."""
    module = part.__module__.removeprefix("picogen_core.").replace(".", "_")
    return f"{module}${part.__qualname__}"
