"""The README's two pictures of the page: ``python -m scripts.dashboard_screenshots [PAGE]``.

PAGE is reports/dashboard.html unless given; needs Chromium (see benchmarks/browser.py).
Writes docs/dashboard-robustness.png (light) and docs/dashboard-curves.png (dark).
"""

import argparse
import io
import tempfile
import time
from pathlib import Path

from PIL import Image

from benchmarks.browser import CHROMIUM, MISSING, browser, open_page

COLOURS = 256
"""As many as a palette holds: fewer make two lines of a chart look alike."""

SHOTS = {
    "docs/dashboard-robustness.png": ("theme=light", "choices"),
    "docs/dashboard-curves.png": ("theme=dark&y=test.accuracy", "curves"),
}
"""The choices in the address, and the part at which the picture begins."""


def main() -> None:
    """Take the pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("page", nargs="?", type=Path, default=Path("reports/dashboard.html"))
    parser.add_argument("--choices", default="", help="more of the address, as section=NAME")
    chosen = parser.parse_args()
    if CHROMIUM is None:
        parser.error(MISSING)
    with tempfile.TemporaryDirectory() as profile, browser(Path(profile)) as driver:
        for name, (choices, part) in SHOTS.items():
            open_page(driver, f"{chosen.page.resolve().as_uri()}#{choices}&{chosen.choices}")
            driver.execute_script("document.getElementById(arguments[0]).scrollIntoView()", part)
            time.sleep(1)  # lets the last chart settle in its place
            picture = Image.open(io.BytesIO(driver.get_screenshot_as_png())).convert("RGB")
            picture.quantize(COLOURS, dither=Image.Dither.NONE).save(name, optimize=True)
            print(f"{name}: {Path(name).stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
