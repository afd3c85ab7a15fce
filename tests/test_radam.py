"""What `import radam` costs and brings with it; what the package says of itself."""

import subprocess
import sys
import tomllib
from pathlib import Path

import torch

import radam

ROOT = Path(__file__).resolve().parents[1]

NEW_MODULES = """
import sys, torch
before = set(sys.modules)
import radam
print(*sorted(name for name in set(sys.modules) - before))
"""


def test_it_imports_torch_and_the_standard_library_and_nothing_else():
    done = subprocess.run(
        [sys.executable, "-c", NEW_MODULES], cwd=ROOT, capture_output=True, text=True, check=True
    )
    packages = {name.partition(".")[0] for name in done.stdout.split()}
    assert packages - set(sys.stdlib_module_names) <= {"radam", "torch"}


def test_public_names():
    for name in radam.__all__:
        assert hasattr(radam, name)
    package = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert radam.__version__ == package["version"]
    assert (Path(radam.__file__).parent / "py.typed").exists()
    assert issubclass(radam.RAdam, torch.optim.Optimizer)
