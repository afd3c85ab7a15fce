"""Nominal against actual: simulate worlds whose truth is known, and count.

``python -m benchmarks.calibration`` prints how often each interval of
``experiments.analysis.statistics`` covers the truth, and how often each comparison of the claims'
rules says "supported" where it must not and where it should, by number of seeds; and writes
``results/calibration.json``.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from benchmarks.calibration import intervals, rules
from experiments.files import write_atomic

PARTS = {"intervals": intervals, "rules": rules}
RESULT = Path("results/calibration.json")


def main() -> None:
    """Simulate, print the tables, write the file; a part that is not asked for stays in it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("part", nargs="?", choices=tuple(PARTS), help="default: both")
    parser.add_argument("--repetitions", type=int, default=1000, help="sections of each kind")
    parser.add_argument("--out", type=Path, default=RESULT)
    asked = parser.parse_args()
    found = json.loads(asked.out.read_text()) if asked.out.is_file() else {}
    for name in [asked.part] if asked.part else PARTS:
        rows = PARTS[name].calibrate(asked.repetitions)
        print(PARTS[name].table(rows), end="\n\n")
        found[name] = {"repetitions": asked.repetitions, "rows": rows}
    write_atomic(asked.out, _text(found))
    print(f"Written: {asked.out}")


def _text(found: dict[str, dict[str, object]]) -> str:
    """JSON, a line a row."""
    parts = []
    for name, part in found.items():
        rows = part["rows"]
        assert isinstance(rows, Sequence)
        lines = ",\n".join(json.dumps(row) for row in rows)
        parts.append(f'"{name}": {{"repetitions": {part["repetitions"]}, "rows": [\n{lines}\n]}}')
    return "{" + ",\n".join(parts) + "}\n"


if __name__ == "__main__":
    main()
