"""A headless Chromium of this machine's own, driven by Selenium, for the tests and screenshots."""

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
MISSING = "no browser here: apt-get install chromium chromium-driver"

FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--disable-dev-shm-usage", "--force-device-scale-factor=1", "--hide-scrollbars"),
)


@contextmanager
def browser(profile: Path, width: int = 1280, height: int = 800) -> Iterator[Chrome]:
    """A window of that many pixels, closed in the end."""
    options = ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for flag in (*FLAGS, f"--user-data-dir={profile}", f"--window-size={width},{height}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = Chrome(options=options, service=Service(DRIVER))
    try:
        # A headless window is no narrower than 500 pixels; this is what a telephone reports.
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        yield driver
    finally:
        driver.quit()


def wait(condition: Callable[[], Any], seconds: float = 30) -> Any:
    """The condition's value once it is true; AssertionError if it never is."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)
    return value


def open_page(driver: Chrome, address: str) -> None:
    """Open the address anew and wait until the curves, which come last, are drawn."""
    driver.get("about:blank")
    driver.get(address)
    wait(lambda: drawn(driver, "curves-chart"))


def drawn(driver: Chrome, chart: str) -> list[dict[str, Any]]:
    """Name, x and y of the traces that Plotly has drawn into a chart; none before it has."""
    traces: list[dict[str, Any]] = driver.execute_script(
        "const g = document.getElementById(arguments[0]);"
        "if (!g || !g._fullLayout) return [];"
        "return g.data.map(t => ({name: t.name, x: t.x, y: t.y, z: t.z, mode: t.mode,"
        " showlegend: t.showlegend, text: t.text, line: t.line, marker: t.marker}));",
        chart,
    )
    return traces


def problems(driver: Chrome) -> list[str]:
    """What the console complained of since it was last asked."""
    log: list[dict[str, Any]] = driver.get_log("browser")
    return [entry["message"] for entry in log if entry["level"] != "INFO"]
