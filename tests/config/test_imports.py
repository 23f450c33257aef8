"""Help must not wait for heavy libraries."""

import subprocess
import sys

import pytest

HEAVY = {"torch", "matplotlib", "pydantic", "numpy", "PIL", "rich", "sklearn", "typer"}
LIGHT = [
    "spec",
    "config",
    "presets",
    "papers",
    "aliases",
    "defaults",
    "durations",
    "glossary",
    "option_files",
]


@pytest.mark.parametrize("module", [*(f"vaecli.config.{name}" for name in LIGHT), "vaecli.parts"])
def test_importing_does_not_wait_for_heavy_libraries(module):
    code = f"import sys, {module}; print(*sorted({HEAVY} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_the_ranges_import_annotations_only():
    code = (
        "import sys; import vaecli.parts; before = set(sys.modules); import vaecli.parts.ranges;"
        "print(*sorted({n.partition('.')[0] for n in set(sys.modules) - before}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "annotated_types" in done.stdout.split()
    assert not HEAVY & set(done.stdout.split())
