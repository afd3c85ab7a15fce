"""The first example of the README's section on the optimizers runs as it stands."""

import re
from pathlib import Path

import pytest

README = Path(__file__).resolve().parents[1] / "README.md"


@pytest.mark.skipif(not README.exists(), reason="no README.md beside the tests")
def test_the_first_example():
    section = README.read_text().partition("## The optimizers alone\n")[2].partition("\n## ")[0]
    example = re.search(r"```python\n(.*?)```", section, re.S)
    assert example, "README.md has no python example under '## The optimizers alone'"
    exec(compile(example[1], str(README), "exec"), {})
