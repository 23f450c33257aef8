"""The rules of the architecture: which package may import which, and how long things may be."""

import ast
import importlib
import inspect
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import vaecli

ROOT = Path(vaecli.__file__).parent
TESTS = Path(__file__).parent
MODULES = sorted(ROOT.rglob("*.py"))
# A module imports only from its own row and the rows above it.
ROWS = [
    "system",
    "parts",
    "model",
    "objectives",
    "config",
    "data",
    "evaluation",
    "training",
    "run",
    "export",
    "pictures",
    "experiments",
    "terminal",
    "commands",
]
HEIGHT = {name: row for row, name in enumerate(ROWS)}
MAX_PACKAGES = 16
HEAVY = {"torch", "matplotlib", "pydantic", "numpy", "PIL", "rich", "sklearn"}
# Imports inside functions, outside of commands: how many in a file, and why they wait. A command
# imports what it calls at the head of its body, so that --help need not wait.
LATE_IMPORTS = {
    "config/spec.py": (1, "pydantic: --help reads the fields of Config without it"),
    "config/validation.py": (2, "pydantic, likewise"),
    "data/readers/named.py": (2, "torchvision takes a second, and MNIST needs none"),
    "evaluation/projection.py": (2, "scikit-learn takes a second, and two latents need none"),
    "export/export.py": (1, "onnx: --format pt2 needs no extra"),
    "parts/optimizers.py": (2, "torch.optim imports its compiler"),
    "run/run.py": (3, "torch: plot-loss reads a run without it"),
    "terminal/completion.py": (1, "pydantic: --help waits for no run"),
    "training/state.py": (1, "torch's compiler is slow to import and rarely needed"),
}


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def place(path: Path) -> str:
    """The top-level name inside `vaecli` that a file belongs to."""
    return path.relative_to(ROOT).with_suffix("").parts[0]


def nodes(path: Path, skip_type_checking: bool) -> Iterator[ast.AST]:
    """The nodes of a file; those that only a type checker reads may be left out."""
    waiting: list[ast.AST] = [tree(path)]
    while waiting:
        node = waiting.pop()
        yield node
        if (
            skip_type_checking
            and isinstance(node, ast.If)
            and "TYPE_CHECKING" in ast.dump(node.test)
        ):
            waiting += node.orelse
        else:
            waiting += ast.iter_child_nodes(node)


def imported(path: Path, skip_type_checking: bool = False) -> Iterator[tuple[str, ...]]:
    """What a file imports from `vaecli`, however deep in its code, as parts of a dotted name."""
    package = ["vaecli", *path.relative_to(ROOT).parent.parts]
    for node in nodes(path, skip_type_checking):
        if isinstance(node, ast.ImportFrom):
            start = package[: len(package) + 1 - node.level] if node.level else []
            module = start + (node.module.split(".") if node.module else [])
            if module[:1] == ["vaecli"]:
                yield from ((*module[1:], alias.name) for alias in node.names)


def outer_imports(path: Path) -> Iterator[str]:
    """The top-level names outside of `vaecli` that a file imports."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.split(".")[0]


def imported_file(name: tuple[str, ...]) -> Path:
    """The file of a dotted name: of a module, of a package, or of what holds the last part."""
    for parts in (name, name[:-1]):
        for path in (
            ROOT.joinpath(*parts).with_suffix(".py"),
            ROOT.joinpath(*parts, "__init__.py"),
        ):
            if path.is_file():
                return path
    raise AssertionError(f"nothing is called {'.'.join(name)}")


def find_circle(edges: dict[Path, set[Path]]) -> list[Path] | None:
    """Files that import each other in a circle, by depth-first search; None if there are none."""
    done: set[Path] = set()

    def visit(path: Path, trail: list[Path]) -> list[Path] | None:
        if path in trail:
            return [*trail[trail.index(path) :], path]
        if path not in done:
            for target in sorted(edges[path]):
                if circle := visit(target, [*trail, path]):
                    return circle
            done.add(path)
        return None

    for path in edges:
        if circle := visit(path, []):
            return circle
    return None


def test_every_module_has_a_row_and_the_packages_are_few():
    packages = {place(path) for path in MODULES} - {"__init__", "__main__"}
    assert packages == set(HEIGHT)
    assert len(packages) <= MAX_PACKAGES


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_up_the_rows(path):
    """Also those that only a type checker reads."""
    if place(path) not in ("__init__", "__main__"):
        for name in imported(path):
            assert HEIGHT[name[0]] <= HEIGHT[place(path)], ".".join(name)


def test_no_files_import_each_other_in_a_circle():
    """Imports inside functions count; those that only a type checker reads do not run."""
    edges = {
        path: {imported_file(name) for name in imported(path, skip_type_checking=True)}
        for path in MODULES
    }
    circle = find_circle(edges)
    assert circle is None, " -> ".join(str(path.relative_to(ROOT)) for path in circle)
    assert sum(map(len, edges.values())) > len(MODULES)


def test_a_circle_is_found():
    a, b, c, d = map(Path, "abcd")
    assert find_circle({a: {b, c}, b: {c}, c: {d}, d: set()}) is None
    assert find_circle({a: {b}, b: {c}, c: {d}, d: {b}}) == [b, c, d, b]
    assert find_circle({a: {a}}) == [a, a]


def test_only_commands_and_terminal_know_the_terminal():
    users = {place(path) for path in MODULES if {"typer", "rich"} & set(outer_imports(path))}
    assert users == {"commands", "terminal"}


def test_only_these_imports_wait_inside_functions():
    found = dict.fromkeys(LATE_IMPORTS, 0)
    for path in MODULES:
        if place(path) != "commands":
            functions = [n for n in ast.walk(tree(path)) if isinstance(n, ast.FunctionDef)]
            late = {
                (node.lineno, node.col_offset)
                for function in functions
                for node in ast.walk(function)
                if isinstance(node, ast.Import | ast.ImportFrom)
            }
            if late:
                found[str(path.relative_to(ROOT))] = len(late)
    assert found.keys() == LATE_IMPORTS.keys()
    for path, (most, _) in LATE_IMPORTS.items():
        assert found[path] <= most, path


def test_nothing_unpickles():
    for path in MODULES:
        assert "pickle" not in set(outer_imports(path)), path
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                assert (node.value.id, node.attr) not in {("torch", "load"), ("torch", "save")}
            assert not (isinstance(node, ast.keyword) and node.arg == "allow_pickle"), path


@pytest.mark.parametrize("module", ["vaecli", "vaecli.commands"])
def test_importing_does_not_wait_for_heavy_libraries(module):
    """tests/config tests the modules of config, which both import."""
    code = f"import sys, {module}; print(*{HEAVY} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_modules_stay_within_300_lines():
    for path in MODULES:
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 300, path


def body_lines(function: ast.FunctionDef) -> int:
    """Lines of a function without its signature."""
    return (function.end_lineno or 0) - function.body[0].lineno + 1


def test_functions_stay_within_50_lines_and_commands_within_30():
    for path in MODULES:
        limit = 30 if place(path) == "commands" else 50
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.FunctionDef):
                assert body_lines(node) <= limit, f"{path}: {node.name}"


def count_code(text: str) -> int:
    """Lines that are neither blank nor comment nor docstring."""
    documented: set[int] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(
            node
        ):
            documented.update(range(node.body[0].lineno, node.body[0].end_lineno + 1))
    lines = enumerate(map(str.strip, text.splitlines()), start=1)
    return sum(1 for n, line in lines if line and line[0] != "#" and n not in documented)


def is_tuple_to_tuple(node: ast.AST) -> bool:
    """`a, b = c, d`."""
    return (
        isinstance(node, ast.Assign)
        and isinstance(node.value, ast.Tuple)
        and any(isinstance(target, ast.Tuple) for target in node.targets)
    )


def test_dense_code_is_rare():
    """Assignments of tuples to tuples and conditional expressions, per 1,000 lines of code."""
    lines = sum(count_code(path.read_text(encoding="utf-8")) for path in MODULES)
    every = [node for path in MODULES for node in ast.walk(tree(path))]
    assert sum(map(is_tuple_to_tuple, every)) <= 1 * lines / 1000
    assert sum(isinstance(node, ast.IfExp) for node in every) <= 14 * lines / 1000


def code_lines(path: Path) -> Iterator[tuple[int, str]]:
    """`(number, text)` of the lines that could repeat: no imports, signatures or docstrings."""
    skipped: set[int] = set()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            skipped.update(range(node.lineno, node.end_lineno + 1))
        elif isinstance(node, ast.FunctionDef):
            skipped.update(range(node.lineno, node.body[0].lineno))
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            skipped.update(range(node.lineno, node.end_lineno + 1))
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        text = line.strip()
        if number not in skipped and len(text) > 1 and not text.startswith("#"):
            yield number, text


def test_no_six_lines_stand_twice():
    seen: dict[tuple[str, ...], str] = {}
    for path in MODULES:
        lines = list(code_lines(path))
        for i in range(len(lines) - 5):
            window = tuple(text for _, text in lines[i : i + 6])
            where = f"{path}:{lines[i][0]}"
            assert window not in seen, f"{where} repeats {seen.get(window)}"
            seen[window] = where


def own_classes() -> Iterator[type]:
    """Every class of the package."""
    for path in MODULES:
        name = ".".join(["vaecli", *path.relative_to(ROOT).with_suffix("").parts])
        if "__" not in name:
            found = vars(importlib.import_module(name)).values()
            yield from (c for c in found if inspect.isclass(c) and c.__module__ == name)


def test_a_method_that_does_something_is_not_overridden():
    """So a class says only what differs, and what it inherits can be read in one place."""
    for kind in own_classes():
        for base in (b for b in kind.__mro__[1:] if b.__module__.startswith("vaecli.")):
            written = {n: f for n, f in vars(base).items() if inspect.isfunction(f)}
            done = {n for n, f in written.items() if not hasattr(f, "__isabstractmethod__")}
            done = {n for n in done if not n.startswith("__")}
            assert not done & set(vars(kind)), f"{kind} overrides {base}"


def asserts(function: ast.FunctionDef) -> bool:
    """Whether a test asserts, itself or by a function whose name says so."""
    for node in ast.walk(function):
        if isinstance(node, ast.Assert):
            return True
        if isinstance(node, ast.Attribute) and (
            node.attr == "raises" or node.attr.startswith("assert_")
        ):
            return True
        if isinstance(node, ast.Name) and node.id.startswith("assert_"):
            return True
    return False


def test_every_test_asserts():
    for path in TESTS.rglob("test_*.py"):
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                assert asserts(node), f"{path}: {node.name}"
