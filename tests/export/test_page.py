"""The Python blocks of the page on exports work as they stand."""

import subprocess
import sys

import pytest

from tests.conftest import TINY, vaecli
from tests.test_docs import GITHUB, blocks

PAGE = GITHUB / "docs" / "export.md"


@pytest.mark.slow
def test_the_blocks_of_the_page_run_without_vaecli(digits, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = "runs/mnist-vae-1"
    vaecli("train", "-q", "--epochs", 1, "--data-dir", digits, *TINY, "--run-dir", run)
    vaecli("export")
    vaecli("export", "-o", "mnist-vae")
    code = blocks(PAGE, "python")
    assert len(code) == 4
    for block in code:
        lines = [line for line in block.splitlines() if line and not line.startswith("import ")]
        assert len(lines) <= 5
        small = block.replace("28, 28", "8, 8").replace("(64, 20)", "(64, 3)")
        check = "import sys; assert 'vaecli' not in sys.modules"
        torch_free = " and 'torch' not in sys.modules" if "torch" not in block else ""
        subprocess.run([sys.executable, "-c", f"{small}{check}{torch_free}"], check=True)
