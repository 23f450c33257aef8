"""The rules of the architecture: who may import whom, and how long things may be."""

import ast
import importlib
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import vaecli

ROOT = Path(vaecli.__file__).parent
TESTS = Path(__file__).parent
MODULES = sorted(ROOT.rglob("*.py"))
# A module imports only from rows above its own.
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
    "pictures",
    "experiments",
    "terminal",
    "commands",
]
HEIGHT = {name: row for row, names in enumerate(ROWS) for name in names.split()}


def tree(path):
    return ast.parse(path.read_text(encoding="utf-8"))


def place(path):
    """The top-level name inside `vaecli` that a file belongs to."""
    return path.relative_to(ROOT).with_suffix("").parts[0]


def inner_imports(path):
    """The top-level names inside `vaecli` that a file imports, however deep in its code."""
    package = ["vaecli", *path.relative_to(ROOT).parent.parts]
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.ImportFrom):
            start = package[: len(package) + 1 - node.level] if node.level else []
            parts = start + (node.module.split(".") if node.module else [])
            if parts[:1] == ["vaecli"]:
                yield from [parts[1]] if parts[1:] else [alias.name for alias in node.names]


def outer_imports(path):
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.split(".")[0]


def test_every_module_has_a_row():
    assert {place(path) for path in MODULES} - {"__init__", "__main__"} == set(HEIGHT)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_up_the_rows(path):
    for name in inner_imports(path):
        if place(path) not in ("__init__", "__main__") and name != place(path):
            assert name == "__version__" or HEIGHT[name] < HEIGHT[place(path)], name


def test_only_commands_know_the_terminal():
    users = {place(path) for path in MODULES if {"typer", "rich"} & set(outer_imports(path))}
    assert users == {"commands"}


def test_nothing_unpickles():
    for path in MODULES:
        assert "pickle" not in set(outer_imports(path)), path
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                assert (node.value.id, node.attr) not in {("torch", "load"), ("torch", "save")}
            assert not (isinstance(node, ast.keyword) and node.arg == "allow_pickle"), path


@pytest.mark.parametrize("module", ["vaecli", "vaecli.commands"])
def test_importing_does_not_wait_for_heavy_libraries(module):
    heavy = {"torch", "matplotlib", "pydantic", "numpy", "PIL", "rich"}
    code = f"import sys, {module}; print(*{heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_modules_stay_within_300_lines():
    for path in MODULES:
        if path.name != "options.py":
            assert len(path.read_text(encoding="utf-8").splitlines()) <= 300, path


def body_lines(function):
    """Lines of a function without its signature."""
    return function.end_lineno - function.body[0].lineno + 1


def test_functions_stay_within_50_lines_and_commands_within_30():
    for path in MODULES:
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.FunctionDef):
                limit = 30 if place(path) == "commands" else 50
                assert body_lines(node) <= limit, f"{path}: {node.name}"


def count_code(text):
    """Lines that are neither blank nor comment nor docstring."""
    documented = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(
            node
        ):
            documented.update(range(node.body[0].lineno, node.body[0].end_lineno + 1))
    lines = enumerate(map(str.strip, text.splitlines()), start=1)
    return sum(1 for n, line in lines if line and line[0] != "#" and n not in documented)


def code_lines(path):
    """`(number, text)` of the lines that could repeat: no imports, signatures or docstrings."""
    skipped = set()
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
    seen = {}
    for path in MODULES:
        lines = list(code_lines(path))
        for i in range(len(lines) - 5):
            window = tuple(text for _, text in lines[i : i + 6])
            where = f"{path}:{lines[i][0]}"
            assert window not in seen, f"{where} repeats {seen.get(window)}"
            seen[window] = where


def own_classes():
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


def test_the_package_stays_within_its_budget():
    assert sum(count_code(path.read_text(encoding="utf-8")) for path in MODULES) <= 4700


def asserts(function):
    for node in ast.walk(function):
        if isinstance(node, ast.Assert):
            return True
        if isinstance(node, ast.Attribute) and node.attr in ("raises", "assert_close"):
            return True
    return False


def test_every_test_asserts():
    for path in TESTS.rglob("test_*.py"):
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                assert asserts(node), f"{path}: {node.name}"


def test_the_package_holds_code_and_data_and_nothing_left_over():
    names = {p.name for p in ROOT.rglob("*") if p.is_file() and "__pycache__" not in p.parts}
    assert {name for name in names if not name.endswith((".py", ".gz"))} <= {"NOTICE", "py.typed"}
