"""The served page follows a sweep: runs that begin, go on and end show without a reload."""

import gzip
import json
import os
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver.common.by import By

from benchmarks import invented_store
from benchmarks.browser import (
    CHROMIUM,
    DRIVER,
    MISSING,
    browser,
    drawn,
    problems,
    wait,
)

ROOT = Path(__file__).resolve().parents[4]


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A store, and the address at which the command serves it."""
    store = tmp_path / "runs"
    invented_store.write_grid(store, ["sgd", "adam"], (0.1, 0.01), (1,), epochs=5)
    command = [sys.executable, "-u", "-m", "experiments.report", "dashboard", "--live"]
    process = subprocess.Popen(
        [*command, "--port", "0", "--runs", str(store)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, "COLUMNS": "200"},
        text=True,
    )
    assert process.stdout is not None
    address = re.search(r"http://localhost:\d+/", process.stdout.readline())
    assert address
    try:
        yield store, address[0]
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(120) in (0, 130)


# urlopen keeps the proxies of its first call, which another test may have switched.
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def get(address: str, **headers: str) -> tuple[int, Any]:
    try:
        with OPENER.open(urllib.request.Request(address, headers=headers)) as answer:
            return answer.status, json.loads(gzip.decompress(answer.read()))
    except urllib.error.HTTPError as error:
        return error.code, None


def test_the_server_gives_the_stores_newest_state(served: tuple[Path, str]) -> None:
    store, address = served
    status, head = get(f"{address}head")
    assert status == 200
    (section,) = head["sections"]
    assert len(section["runs"]["columns"]["run_id"]) == 4
    running = invented_store.configuration("radam", 0.1, 1)
    invented_store.write(store, running, status="running", epochs=8)

    def statuses() -> list[str]:
        (section,) = get(f"{address}head")[1]["sections"]
        return section["runs"]["columns"]["status"]

    assert wait(lambda: len(found := statuses()) == 5 and found).count("killed") == 1
    curves = get(f"{address}curves?section={section['name']}")[1]
    assert len(curves["runs"]) == 5
    assert get(f"{address}curves?section=nothing")[0] == 404
    assert get(f"{address}head", Host="elsewhere.example:80")[0] == 403


@pytest.mark.skipif(CHROMIUM is None or DRIVER is None, reason=MISSING)
def test_a_browser_follows_without_losing_its_choices(
    served: tuple[Path, str], tmp_path: Path
) -> None:
    store, address = served
    with browser(tmp_path / "profile") as driver:
        driver.get(f"{address}#x=update&off=SGD")
        wait(lambda: drawn(driver, "curves-chart"))
        assert "2 of 4 runs" in driver.find_element(By.ID, "runs-count").text
        invented_store.write(store, invented_store.configuration("radam", 0.1, 1), epochs=8)
        wait(lambda: "3 of 5 runs" in driver.find_element(By.ID, "runs-count").text)
        wait(lambda: "RAdam" in str([trace["name"] for trace in drawn(driver, "curves-chart")]))
        assert driver.current_url == f"{address}#x=update&off=SGD"
        assert problems(driver) == []


def test_a_port_that_cannot_be_had_is_one_line(served: tuple[Path, str]) -> None:
    store, address = served
    port = address.rsplit(":", 1)[1].strip("/")
    words = ["dashboard", "--live", "--port", port, "--runs", str(store)]
    done = subprocess.run(
        [sys.executable, "-m", "experiments.report", *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 2
    assert f"--port {port}" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
