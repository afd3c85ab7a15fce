"""Its recipes, followed to the letter in a copy of the tree: the files that they name are all."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PARTS = ("radam", "experiments", "configs", "tests", "results", "CONTRIBUTING.md", "pyproject.toml")

pytestmark = pytest.mark.slow


class Copy:
    """A copy of the tree that knows which of its files were written."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.written: set[str] = set()
        for part in PARTS:
            if (ROOT / part).is_dir():
                shutil.copytree(ROOT / part, root / part, ignore=shutil.ignore_patterns("*.pyc"))
            else:
                shutil.copy(ROOT / part, root / part)

    def write(self, path: str, text: str) -> None:
        """Make a file."""
        self.written.add(path)
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(text)

    def insert(self, path: str, after: str, text: str) -> None:
        """Put lines behind the only line that begins with ``after``."""
        found, where = re.subn(
            rf"(?m)^{re.escape(after)}.*\n",
            lambda line: line[0] + text,
            (self.root / path).read_text(),
        )
        assert where == 1, f"{path}: {where} lines begin with {after!r}"
        self.write(path, found)

    def run(self, *words: str) -> str:
        """What ``python -m words...`` prints there."""
        done = subprocess.run(
            [sys.executable, "-m", *words],
            cwd=self.root, capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
        return done.stdout

    def test(self, path: str, *words: str) -> None:
        """Carry out tests of the copy, which must be some."""
        self.run("pytest", "-q", "-p", "no:cacheprovider", path, *words)

    def named(self, section: str, name: str) -> set[str]:
        """The files that the section of CONTRIBUTING names, for a thing of that name."""
        text = (self.root / "CONTRIBUTING.md").read_text()
        recipe = text.partition(f"\n## {section}\n")[2].partition("\n## ")[0]
        words: list[str] = re.findall(r"`([\w/<>.]+\.(?:py|yaml))`", recipe)
        return {word.replace("<name>", name) for word in words}


@pytest.fixture
def copy(tmp_path: Path) -> Copy:
    return Copy(tmp_path)


OPTIMIZER = '''"""Toy."""

import torch


class SignDescent(torch.optim.Optimizer):
    """The signs of the gradients."""

    def __init__(self, params, lr=1e-3, weight_decay=0.0):
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    p.mul_(1 - group["lr"] * group["weight_decay"])
                    p.sub_(group["lr"] * p.grad.sign())
'''


def test_an_optimizer(copy: Copy) -> None:
    copy.write("radam/sign_descent.py", OPTIMIZER)
    copy.insert(
        "radam/__init__.py",
        "from radam import generic",
        "from radam.sign_descent import SignDescent\n",
    )
    copy.insert(
        "radam/zoo.py",
        "from radam import optimizers",
        "from radam.sign_descent import SignDescent\n",
    )
    copy.insert(
        "radam/zoo.py",
        "    for entry in (",
        '        Entry("toy", "Toy", SignDescent, "nowhere"),\n',
    )
    line = '    "toy": lambda: Method(lambda state, g: g.sign(), one),\n'
    copy.insert("radam/generic.py", "METHODS: Mapping", line)
    copy.write(
        "configs/optimizer/toy.yaml",
        "# @package _global_\noptimizer:\n  name: toy\n  lr: ${protocol.presets.lr}\n"
        "  weight_decay: ${protocol.presets.weight_decay}\n",
    )
    assert len(copy.written) == 5
    assert copy.written - {"radam/sign_descent.py"} <= copy.named("An optimizer", "toy")

    words = ("protocol=smoke", "task.dataset=standin", "tracking=local", "runner.device=cpu")
    copy.run("experiments.train", "-m", "optimizer=toy,radam", "optimizer.lr=.1,.01", *words)
    assert "Toy" in copy.run("experiments.report")
    assert "dashboard.html" in copy.run("experiments.report", "dashboard")
    copy.test("tests/radam/test_zoo.py")


SCHEDULE = '''

@dataclass(frozen=True)
class Sawtooth(Decay):
    """Down to half, and up again at once, in each period."""

    period: int = _option(_whole(1), "from peak to peak", counts="updates")

    def __call__(self, t: int, lr: float) -> float:
        """Return the rate at update ``t``."""
        return lr * (1 - 0.5 * ((t - 1) % self.period) / self.period)
'''


def test_a_schedule(copy: Copy) -> None:
    schedules = "radam/schedules.py"
    before, header, after = (ROOT / schedules).read_text().partition("\n\nDECAYS: Mapping")
    copy.write(schedules, before + SCHEDULE + header + after)
    copy.insert(schedules, "DECAYS: Mapping", '    "sawtooth": Sawtooth,\n')
    copy.write(
        "configs/schedule/sawtooth.yaml",
        "name: sawtooth\nunit: epochs\nperiod: 1\nwarmup: {kind: none, updates: 0}\n",
    )
    copy.insert(
        "tests/radam/schedule_options.py", "OPTIONS: Mapping", '    "sawtooth": {"period": 3},\n'
    )
    assert len(copy.written) == 3
    assert copy.written <= copy.named("A schedule", "sawtooth")

    words = ("protocol=smoke", "task.dataset=standin", "tracking=local", "runner.device=cpu")
    optimizers = "optimizer=adam_warmup,radam"
    copy.run("experiments.train", "-m", "schedule=sawtooth", optimizers, *words)
    assert "sawtooth" in next(copy.root.glob("runs/cifar10/*/config.yaml")).read_text()
    assert "RAdam" in copy.run("experiments.report")
    copy.test("tests/radam/test_schedules.py")
    copy.test("tests/radam/fairseq_plugin/test_optimizers.py", "-k", "refused")  # registers all


def test_a_task(copy: Copy) -> None:
    """Its folder and its YAML files, copied from the template's."""
    files = ["configs/task/template.yaml"]
    for folder in ("experiments/tasks/template", "configs/protocol/template"):
        files += [f"{folder}/{path.name}" for path in (ROOT / folder).glob("*.*")]
    for file in files:
        text = (ROOT / file).read_text().replace("template", "toy").replace("Template", "Toy")
        copy.write(file.replace("template", "toy"), text)
    assert copy.named("A task", "toy") >= {
        *("experiments/tasks/toy/config.py", "experiments/tasks/toy/task.py"),
        "configs/task/toy.yaml",
    }

    words = ("protocol=smoke", "tracking=local", "runner.device=cpu")
    copy.run("experiments.train", "-m", "task=toy", "optimizer=adam,radam", *words)
    assert "Toy" in copy.run("experiments.report")
    assert "Toy" in (copy.root / "reports" / "REPORT.md").read_text()
    assert "dashboard.html" in copy.run("experiments.report", "dashboard")
    copy.test("tests/experiments/config/test_compose.py", "-k", "toy")
