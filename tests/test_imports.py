"""The arrows between the packages: backbones, metrics and cli import core, and that is all."""

import ast
import importlib.util
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGES = Path(__file__).parent.parent / "packages"
ALLOWED = {
    "picogen_core": set(),
    "picogen_backbones": {"picogen_core"},
    "picogen_metrics": {"picogen_core"},
    "picogen_cli": {"picogen_core"},
}


def imported(source: str) -> Iterator[str]:
    """Every module that the source imports, at the top or inside a function, by name or by
    `import_module`."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
        elif isinstance(node, ast.Call) and node.args:
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            target = node.args[0]
            if name in {"import_module", "__import__"} and isinstance(target, ast.Constant):
                yield str(target.value)


def sources(package: str) -> list[Path]:
    return sorted((PACKAGES / package.replace("_", "-") / "src").rglob("*.py"))


@pytest.mark.parametrize("package", ALLOWED)
def test_arrows(package):
    forbidden = ALLOWED.keys() - ALLOWED[package] - {package}
    assert sources(package)
    for path in sources(package):
        roots = {module.partition(".")[0] for module in imported(path.read_text())}
        assert not roots & forbidden, f"{path} imports {roots & forbidden}"


@pytest.mark.parametrize("package", ALLOWED)
def test_nothing_imports_click(package):
    """typer carries its own since 0.29; the two do not mix."""
    for path in sources(package):
        assert "click" not in {name.partition(".")[0] for name in imported(path.read_text())}, path


def test_every_package_is_walked():
    assert {path.name.replace("-", "_") for path in PACKAGES.iterdir()} == set(ALLOWED)


@pytest.mark.parametrize(
    "source",
    [
        "import picogen_metrics.plugin",
        "from picogen_metrics import x",
        "def f():\n    from picogen_metrics.a.b import x",
        "import importlib\nimportlib.import_module('picogen_metrics.plugin')",
    ],
)
def test_the_walk_sees_every_way_to_import(source):
    assert any(name.startswith("picogen_metrics") for name in imported(source))


FLOORS = (
    {"errors"},
    {"runtime"},
    {"plugins"},
    {"abc"},
    {"score"},
    {"data"},
    {"model"},
    {"compiled"},
    {"evaluation"},
    {"generation"},
    {"training"},
    {"comparison", "onnx"},
    {"report"},
    {"html"},
    {"testing"},
    {"plugin"},
)
"""The rooms of core, the lowest first. A room imports from lower floors alone."""
CORE = PACKAGES / "picogen-core/src/picogen_core"


def room(path: Path) -> str:
    return path.relative_to(CORE).with_suffix("").parts[0]


def typing_only(tree: ast.Module) -> set[ast.AST]:
    """What stands under `if TYPE_CHECKING:`; it makes no arrow when the program runs."""
    guarded = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING"
    ]
    return {below for node in guarded for below in ast.walk(node)}


def arrows(path: Path) -> Iterator[str]:
    """The rooms of core that a module imports from, within functions too."""
    tree = ast.parse(path.read_text())
    skipped = typing_only(tree)
    for node in ast.walk(tree):
        if node in skipped or not isinstance(node, ast.ImportFrom) or not node.module:
            continue
        root, *rooms = node.module.split(".")
        if root == "picogen_core":
            yield from rooms[:1] or [alias.name for alias in node.names]


def test_rooms_import_from_lower_floors_alone() -> None:
    floor = {name: level for level, names in enumerate(FLOORS) for name in names}
    walked = 0
    for path in sources("picogen_core"):
        here = room(path)
        if here == "__init__":
            continue
        for other in set(arrows(path)) - {here, "__version__"}:
            walked += 1
            assert floor[other] < floor[here], f"{path} imports {other}"
    assert walked > 300


def test_the_ground_floor_has_few_modules() -> None:
    loose = {path.stem for path in CORE.glob("*.py")}
    assert loose == {"__init__", "errors", "plugin"}


ROOT = Path(__file__).parent.parent
PROGRAMS = [
    path
    for folder in ("benchmarks", "studies", "tools")
    for path in sorted((ROOT / folder).rglob("*.py"))
]


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: str(path.relative_to(ROOT)))
def test_what_programs_import_is_there(path: Path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("picogen_"):
            module = importlib.import_module(node.module)
            for name in node.names:
                known = hasattr(module, name.name) or importlib.util.find_spec(
                    f"{node.module}.{name.name}"
                )
                assert known, f"{node.module}.{name.name}, line {node.lineno}"
