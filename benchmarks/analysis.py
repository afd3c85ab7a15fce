"""How long the analysis of a large store takes: ``python -m benchmarks.analysis``.

Invents a store of 10,000 runs of 200 records each, then measures, each in a fresh process of at
most 2 cores: claims, statistics and page together (time and peak memory), and how long Chromium
takes from opening the page to its first chart. Required: 60 s, 2 GB, 3 s. On a busy machine the
time on the processor tells more than the clock.
"""

import argparse
import itertools
import multiprocessing
import os
import resource
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.machine import describe_machine

RUNS, RECORDS = 10_000, 200
OPTIMIZERS = ("sgd", "adam", "radam", "adam_warmup")
PROTOCOLS = ("paper", "recipe", "mini", "smoke")
WARMUPS = (100, 200, 500, 1000)
SEEDS = range(1, 6)
LIMITS = {"seconds": 60.0, "gigabytes": 2.0, "seconds to the first chart": 3.0}


def invent(root: Path, runs: int) -> None:
    """Methods × α × seeds under each protocol, until there are enough runs."""
    from benchmarks import invented_store

    sections = [(p, d) for p in PROTOCOLS for d in ("real", "standin")]
    rates = [10 ** (-4 + k / 12) for k in range(60)]
    made = 0
    for lr, (protocol, dataset), optimizer, seed in itertools.product(
        rates, sections, OPTIMIZERS, SEEDS
    ):
        for warmup in WARMUPS if optimizer == "adam_warmup" else (0,):
            if made == runs:
                return
            config = invented_store.configuration(
                *(optimizer, lr, seed),
                warmup=warmup,
                protocol__name=protocol,
                task__dataset=dataset,
            )
            status = "diverged" if optimizer == "sgd" and lr > 0.5 else "completed"
            invented_store.write(root, config, status=status, epochs=RECORDS // 2)
            made += 1


def analyse(root: Path, page: Path, answer: "multiprocessing.Queue[dict[str, float]]") -> None:
    """Everything from reading the store to the written page."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:2])
    started = time.perf_counter()
    from experiments.report import main

    sys.stdout = open(os.devnull, "w")  # noqa: SIM115, PTH123
    main(["claims", "--runs", str(root), "--out", str(page.parent)])
    main(["table", "--runs", str(root), "--out", str(page.parent)])
    main(["dashboard", "--runs", str(root), "--out", str(page.parent)])
    answer.put(
        {
            "seconds": time.perf_counter() - started,
            "of them on the processor": time.process_time(),
            "gigabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9,
        }
    )


def first_chart(page: Path) -> float | None:
    """Seconds from opening the page to its first chart, by the browser's own clock."""
    from benchmarks.browser import CHROMIUM, DRIVER, browser, drawn, wait

    if CHROMIUM is None or DRIVER is None:
        return None
    watch = (
        "const seen = () => document.querySelector('#rates-chart .scatterlayer')"
        " ? (window.firstChart = performance.now()) : requestAnimationFrame(seen); seen();"
    )
    with tempfile.TemporaryDirectory() as profile, browser(Path(profile)) as driver:
        driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": watch})
        driver.get(f"file://{page}")
        wait(lambda: driver.execute_script("return window.firstChart"), 120)
        wait(lambda: drawn(driver, "curves-chart"), 120)
        return float(driver.execute_script("return window.firstChart")) / 1000


def main() -> int:
    """Measure and compare with what is required."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--store", type=Path, help="an invented store to keep and use again")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = chosen.store or Path(folder) / "runs"
        if not root.exists():
            invent(root, chosen.runs)
        page = Path(folder) / "out" / "dashboard.html"
        context = multiprocessing.get_context("spawn")
        answer: multiprocessing.Queue[dict[str, float]] = context.Queue()
        process = context.Process(target=analyse, args=(root, page, answer))
        process.start()
        process.join()
        found = answer.get(timeout=10)
        opened = first_chart(page)
        if opened is not None:
            found["seconds to the first chart"] = opened
        size = page.stat().st_size / 1e6
    print(describe_machine("cpu"))
    print(f"{chosen.runs} runs, {RECORDS} records each; page {size:.1f} MB")
    for what, value in found.items():
        limit = f"   required: at most {LIMITS[what]:g}" if what in LIMITS else ""
        print(f"  {what:28} {value:7.2f}{limit}")
    return int(any(found[what] > limit for what, limit in LIMITS.items() if what in found))


if __name__ == "__main__":
    sys.exit(main())
