"""The tree is what CONTRIBUTING and README say of it: who imports whom, and where things are.

Imports are read from the source, those inside functions and those by name included. The rule is
CONTRIBUTING's table of packages.
"""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
OURS = ("radam", "experiments", "benchmarks", "scripts", "tests")


@lru_cache
def tracked() -> tuple[Path, ...]:
    """Every file of the tree, relative to its top."""
    words = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        pytest.skip("not a git checkout: what belongs to the tree is not known")
    return tuple(Path(n) for n in done.stdout.split("\0") if n and (ROOT / n).is_file())


@lru_cache
def modules() -> dict[str, Path]:
    """Every module of the tree by its dotted name."""
    sources = [path for path in tracked() if path.suffix == ".py" and path.parts[0] in OURS]
    return {".".join(p.with_suffix("").parts).removesuffix(".__init__"): p for p in sources}


def packages(*tops: str) -> set[str]:
    """Every folder below the tops that holds modules, as ``experiments/tasks/shared``."""
    folders = {path.parent for path in tracked() if path.suffix == ".py"}
    return {folder.as_posix() for folder in folders if folder.parts[0] in tops}


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """Line and dotted name of all that a module imports, wherever in it and however."""
    for node in ast.walk(ast.parse((ROOT / path).read_text())):
        match node:
            case ast.Import():
                yield from ((node.lineno, alias.name) for alias in node.names)
            case ast.ImportFrom():
                start = ".".join(path.parent.parts[: len(path.parent.parts) + 1 - node.level])
                base = ".".join(filter(None, (start if node.level else "", node.module)))
                for alias in node.names:
                    name = f"{base}.{alias.name}"
                    yield node.lineno, name if name in modules() else base
            case ast.Call(func=ast.Name(id=called) | ast.Attribute(attr=called)) if (
                called in ("import_module", "__import__", "run_module") and node.args
            ):
                yield from ((node.lineno, name) for name in _beginning(node.args[0]))


def _beginning(name: ast.expr) -> Iterator[str]:
    """What a name that is put together begins with, as far as the source says it."""
    match name:
        case ast.Constant(value=str(text)):
            yield text
        case ast.JoinedStr(values=[ast.Constant(value=str(text)), *_]):
            yield text.rstrip(".")


Row = tuple[tuple[str, ...], str]
"""The packages that a row of the table is about, and what they may import."""


@lru_cache
def table() -> tuple[Row, ...]:
    """The rows of CONTRIBUTING's table of packages, from the ground up."""
    lines = [line for line in the_packages().splitlines() if line.startswith("| `")]
    rows = [line.strip("|").split("|") for line in lines]
    literal = {name for cells in rows for name in _named(cells[0])}
    return tuple((_expanded(_named(cells[0]), literal), cells[-1].strip()) for cells in rows)


def the_packages() -> str:
    """CONTRIBUTING's section of that name."""
    text = (ROOT / "CONTRIBUTING.md").read_text()
    return text.partition("\n## The packages\n")[2].partition("\n## ")[0]


def _expanded(names: list[str], literal: set[str]) -> tuple[str, ...]:
    """The names, ``a/<name>`` replaced by the packages in ``a`` that have no row of their own."""
    found: list[str] = []
    for name in names:
        folder, _, last = name.rpartition("/")
        inner = {p for p in packages("experiments", "radam") if p.rpartition("/")[0] == folder}
        found += sorted(inner - literal) if last == "<name>" else [name]
    return tuple(found)


def _named(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def unit(module: str) -> str | None:
    """The package of the table that a module belongs to: the longest that its name begins with."""
    found = [name for names, _ in table() for name in names if _belongs(module, name)]
    return max(found, key=len, default=None)


def _belongs(module: str, name: str) -> bool:
    return f"{module}.".startswith(name.removesuffix(".py").replace("/", ".") + ".")


def allowed() -> dict[str, set[str]]:
    """The packages that each package may import, itself aside."""
    above: set[str] = set()
    may: dict[str, set[str]] = {}
    for names, rule in table():
        named = set(_named(rule))
        may |= dict.fromkeys(names, above - named if rule.startswith("all above") else named)
        above |= set(names)
    return may


def test_imports_point_one_way() -> None:
    may, breaches = allowed(), []
    for module, path in modules().items():
        here = unit(module)
        for line, name in imports(path):
            there = unit(name)
            if name.partition(".")[0] not in OURS or there == here:
                continue
            if here is None or there not in may[here]:
                breaches.append(f"{path}:{line}: {here} may not import {name}")
    assert not breaches, "see CONTRIBUTING.md, The packages:\n" + "\n".join(breaches)


def test_no_module_imports_itself_by_a_detour() -> None:
    """Neither at once nor later, when a function is called."""
    known = modules()
    graph = {m: {n for _, n in imports(p) if n in known} - {m} for m, p in known.items()}
    while free := [module for module, seen in graph.items() if not seen]:
        for module in free:
            del graph[module]
        for seen in graph.values():
            seen -= set(free)
    assert not graph, f"these import each other in a circle: {sorted(graph)}"


def test_the_optimizers_import_torch_and_the_standard_library_alone() -> None:
    known = {*sys.stdlib_module_names, "torch", "triton", "radam"}  # torch brings triton
    for module, path in modules().items():
        if unit(module) == "radam":
            found = {name.partition(".")[0] for _, name in imports(path)}
            assert found <= known, f"{path} imports {found - known}"


def test_the_import_rule_sees_what_hides(tmp_path: Path) -> None:
    """An import inside a function, by name, by a name put together, and a relative one."""
    source = tmp_path / "module.py"
    source.write_text(
        "def later():\n    from experiments.training import loop\n"
        "def named():\n    return importlib.import_module('experiments.sweep')\n"
        "def built(x):\n    return import_module(f'experiments.tasks.{x}.task')\n"
        "from .. import near\n"
    )
    found = [name for _, name in imports(source)]
    assert {"experiments.training.loop", "experiments.sweep", "experiments.tasks"} <= set(found)
    assert any(name.endswith(tmp_path.parent.name) for name in found)


def test_contributing_names_every_package() -> None:
    rows = {name for names, _ in table() for name in names}
    named = {name for name in _named(the_packages()) if "<" not in name}
    missing = packages("radam", "experiments") - rows - named
    assert not missing, f"not in CONTRIBUTING.md, The packages: {sorted(missing)}"
    gone = [name for name in named if not (ROOT / name).exists()]
    assert not gone, f"CONTRIBUTING.md names what is not there: {gone}"


def test_readme_shows_every_folder() -> None:
    text = (ROOT / "README.md").read_text()
    tree = text.partition("\n## Where things are\n")[2].partition("\n## ")[0]
    shown = set(re.findall(r"^ *(\w+)/ ", tree, re.M))
    tops = {path.parts[0] for path in tracked() if len(path.parts) > 1}
    inner = {name.split("/")[1] for name in packages("experiments") if "/" in name}
    expected = {name for name in tops if not name.startswith(".")} | inner
    assert shown == expected, f"README.md, Where things are: {sorted(shown ^ expected)}"


def test_tests_mirror_the_tree() -> None:
    """``tests/a/test_b.py`` and ``tests/a/test_b_in_a_case.py`` test ``a/b.py`` or ``a/b/``.

    Above all packages stand the tests of what the texts there say.
    """
    strays = []
    for path in tracked():
        if path.parts[0] == "tests" and path.name.startswith("test_") and path != _this():
            place = Path(*path.parent.parts[1:])
            words = path.stem.removeprefix("test_").split("_")
            subjects = ["_".join(words[:n]) for n in range(1, len(words) + 1)]
            if not any(_exists(place, subject) for subject in subjects):
                strays.append(str(path))
    assert not strays, f"nothing of that name to test: {strays}"


def _this() -> Path:
    return Path(__file__).relative_to(ROOT)


def _exists(place: Path, subject: str) -> bool:
    named = [f"{subject}.py", f"{subject}/__init__.py"]
    if place == Path():
        named.append(f"{subject.upper()}.md")
    return any(place / name in tracked() for name in named)


def test_texts_name_no_file_outside_the_tree() -> None:
    """Results may say where their data lay; tests say what they skip without."""
    outside = re.compile(r"\b(DESIGN|PAPER)\.md|\.\./shared")
    free = ("tests", "results", "CONTRIBUTING.md")
    found = []
    for path in tracked():
        if path.parts[0] not in free and path.suffix not in (".png", ".pdf", ".parquet"):
            lines = (ROOT / path).read_text().splitlines()
            found += [f"{path}:{n}" for n, line in enumerate(lines, 1) if outside.search(line)]
    assert not found, f"these speak of files that a reader has not: {found}"


def test_links_between_texts_lead_somewhere() -> None:
    for path in tracked():
        if path.suffix == ".md":
            for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", (ROOT / path).read_text()):
                if "://" not in target:
                    assert (ROOT / path.parent / target).exists(), f"{path}: no {target}"
