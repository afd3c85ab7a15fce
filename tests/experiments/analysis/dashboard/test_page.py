"""The page in a real browser: what a person picks, sorts, clicks and shares."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select

from benchmarks import invented_store
from benchmarks.browser import (
    CHROMIUM,
    DRIVER,
    MISSING,
    browser,
    drawn,
    open_page,
    problems,
    wait,
)
from experiments.analysis.dashboard import build
from experiments.tracking.store import read_results

pytestmark = pytest.mark.skipif(CHROMIUM is None or DRIVER is None, reason=MISSING)

EVIL = "<img src=x onerror=alert(1)></script><b>"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("store")
    rates, seeds = (1.0, 0.1, 0.01), (1, 2, 3)
    invented_store.write_grid(root, ["sgd", "adam", "radam"], rates, seeds, experiment=EVIL)
    mini = {"protocol__name": "mini", "task__dataset": "standin"}
    invented_store.write_grid(root, ["adam", "radam"], (0.1, 0.01), (1,), epochs=4, **mini)
    watched = invented_store.configuration("radam", 0.1, 4)
    invented_store.write(root, watched, histograms=True)
    failed = invented_store.configuration("adam", 0.1, 9)
    invented_store.write(root, failed, status="failed", error=EVIL)
    return root


@pytest.fixture(scope="module")
def page(store: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("page") / "dashboard.html"
    path.write_text(build(read_results(store), store))
    return f"file://{path}"


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    with browser(tmp_path_factory.mktemp("profile")) as driver:
        yield driver


@pytest.fixture
def opened(chromium: Chrome, page: str) -> Iterator[Chrome]:
    """The page as it is first opened; whatever a test does, the console stays clean."""
    open_page(chromium, page)
    yield chromium
    assert problems(chromium) == []


def names(driver: Chrome, chart: str) -> list[str]:
    return [trace["name"] for trace in drawn(driver, chart) if trace.get("showlegend") is not False]


def click(driver: Chrome, selector: str, text: str) -> None:
    buttons = driver.find_elements(By.CSS_SELECTOR, selector)
    (button,) = [each for each in buttons if each.text.strip().startswith(text)]
    driver.execute_script("arguments[0].click()", button)


def column(driver: Chrome, place: int) -> list[str]:
    cells = driver.find_elements(By.CSS_SELECTOR, f"#runs-table tbody td:nth-of-type({place})")
    return [cell.text for cell in cells]


def test_the_first_view_shows_every_part(opened: Chrome) -> None:
    assert names(opened, "rates-chart") == ["SGD", "Adam", "RAdam"]
    (heatmap,) = drawn(opened, "heatmap-chart")
    assert [len(row) for row in heatmap["z"]] == [3, 3, 3]
    assert len(opened.find_elements(By.CSS_SELECTOR, "#robustness-table tbody tr")) == 3
    assert len(opened.find_elements(By.CSS_SELECTOR, "details.claim")) == 20
    assert "29 of 29 runs" in opened.find_element(By.ID, "runs-count").text
    labels = opened.find_elements(By.CSS_SELECTOR, "[role=img]")
    assert all(label.get_attribute("aria-label") for label in labels if label.is_displayed())


def test_diverged_cells_are_marked(opened: Chrome) -> None:
    crosses = [t for t in drawn(opened, "rates-chart") if t["marker"]["symbol"] == "x-thin"]
    assert [(t["name"], t["x"]) for t in crosses] == [("SGD", [1])]
    (heatmap,) = drawn(opened, "heatmap-chart")
    assert sum("× 3/3" in (text or "") for row in heatmap["text"] for text in row) == 1


def test_the_chart_shows_the_statistics(opened: Chrome, store: Path) -> None:
    from experiments.analysis.cells import sections

    (section,) = [s for s in sections(read_results(store)) if s.protocol == "recipe"]
    grid = section.grid("final")
    for method in grid.methods:
        (line,) = [
            t
            for t in drawn(opened, "rates-chart")
            if t["name"] == method.label and t["mode"] == "lines+markers"
        ]
        row = [cell for cell in grid.row(method) if grid.mean(cell)]
        assert line["x"] == [cell.lr for cell in row]
        assert line["y"] == pytest.approx([grid.mean(cell).value for cell in row])


def test_the_mean_and_band_of_the_curves_are_the_statistics(opened: Chrome, store: Path) -> None:
    from experiments.analysis.cells import sections
    from experiments.analysis.curves import curve, read_curves

    (section,) = [s for s in sections(read_results(store)) if s.protocol == "recipe"]
    cell = section.grid("final").best(section.methods[-1])
    assert cell is not None
    known = curve(read_curves(section), cell, "loss")
    assert known is not None
    assert known.band is not None
    traces = [t for t in drawn(opened, "curves-chart") if (t["line"] or {}).get("width") != 0]
    (mean,) = [t for t in traces if t["name"] and t["name"].startswith("RAdam")]
    assert mean["name"].endswith("(n = 3)")
    assert mean["x"] == pytest.approx(known.epochs.tolist())
    assert mean["y"] == pytest.approx(known.mean.tolist(), rel=1e-4)
    edges = [t for t in drawn(opened, "curves-chart") if (t["line"] or {}).get("width") == 0]
    for edge, bound in zip(edges[-2:], known.band, strict=True):
        assert edge["y"] == pytest.approx(bound.tolist(), rel=1e-4)


def test_another_set_of_optimizers(opened: Chrome) -> None:
    click(opened, "#methods button", "SGD")
    assert names(opened, "rates-chart") == ["Adam", "RAdam"]
    wait(lambda: not any("SGD" in name for name in names(opened, "curves-chart")))
    assert "20 of 29 runs" in opened.find_element(By.ID, "runs-count").text


def test_runs_are_sorted_and_searched(opened: Chrome) -> None:
    click(opened, "#runs-table thead button", "final")
    values = [float(text) for text in column(opened, 5) if text != "–"]
    assert values == sorted(values)
    click(opened, "#runs-table thead button", "final")
    values = [float(text) for text in column(opened, 5) if text != "–"]
    assert values == sorted(values, reverse=True)
    assert column(opened, 5)[-1] == "–"  # no value comes last in either order
    heads = opened.find_elements(By.CSS_SELECTOR, "th[aria-sort=descending]")
    assert [head.text for head in heads] == ["final ▼"]
    opened.find_element(By.ID, "search").send_keys("diverged sgd")
    assert set(column(opened, 1)) == {"diverged"}
    assert len(column(opened, 1)) == 3


def test_a_clicked_run_stands_alone_and_the_address_brings_it_back(
    opened: Chrome, page: str
) -> None:
    click(opened, "#methods button", "Adam")
    click(opened, "#runs-table thead button", "best on test")
    Select(opened.find_element(By.ID, "x")).select_by_value("update")
    row = opened.find_element(By.CSS_SELECTOR, "#runs-table tbody tr")
    run = row.find_element(By.CSS_SELECTOR, "button.run").text
    opened.execute_script("arguments[0].click()", row)
    wait(lambda: len(names(opened, "curves-chart")) == 1)
    assert run in opened.find_element(By.ID, "isolated").text
    assert run in opened.find_element(By.ID, "run-details").text
    seen = drawn(opened, "curves-chart")
    address = opened.current_url
    assert address.startswith(f"{page}#")
    open_page(opened, address)
    assert drawn(opened, "curves-chart") == seen
    assert names(opened, "rates-chart") == ["SGD", "RAdam"]
    assert opened.find_element(By.CSS_SELECTOR, "tr.isolated button.run").text == run
    heads = opened.find_elements(By.CSS_SELECTOR, "th[aria-sort=ascending]")
    assert [head.text for head in heads] == ["best on test ▲"]


def test_sections_are_never_mixed_and_stand_ins_are_marked(opened: Chrome) -> None:
    assert not opened.find_element(By.ID, "warning").is_displayed()
    select = Select(opened.find_element(By.ID, "section"))
    (mini,) = [option for option in select.options if "mini" in option.text]
    select.select_by_visible_text(mini.text)
    warning = opened.find_element(By.ID, "warning")
    assert "STAND-IN" in warning.text
    assert "decides no claim" in warning.text
    assert "4 of 4 runs" in opened.find_element(By.ID, "runs-count").text
    assert names(opened, "rates-chart") == ["Adam", "RAdam"]
    stamped = "return document.getElementById('rates-chart').layout.annotations.map(a => a.text)"
    assert opened.execute_script(stamped) == ["STAND-IN DATA"]


def test_names_show_as_text(opened: Chrome) -> None:
    assert EVIL in [cell.text for cell in opened.find_elements(By.CSS_SELECTOR, "#runs-table td")]
    opened.find_element(By.ID, "search").send_keys("failed")
    row = opened.find_element(By.CSS_SELECTOR, "#runs-table tbody tr")
    opened.execute_script("arguments[0].click()", row)
    assert EVIL in opened.find_element(By.ID, "run-details").text
    assert opened.find_elements(By.CSS_SELECTOR, "main img") == []


def test_an_evil_optimizer_name_shows_as_text_in_the_charts(
    chromium: Chrome, tmp_path: Path
) -> None:
    for seed in (1, 2):
        config = invented_store.configuration("adam", 0.1, seed)
        config["optimizer"]["name"] = EVIL
        invented_store.write(tmp_path / "store", config, final=50.0)
    page = tmp_path / "page.html"
    page.write_text(build(read_results(tmp_path / "store"), tmp_path / "store"))
    open_page(chromium, f"file://{page}")
    for chart in ("rates-chart", "heatmap-chart", "curves-chart"):
        text = chromium.find_element(By.ID, chart).get_attribute("textContent")
        assert "<img src=x onerror=alert(1)>" in text, chart
    assert chromium.find_elements(By.CSS_SELECTOR, "main img") == []
    assert problems(chromium) == []


def test_the_mechanism_is_drawn_where_there_are_records(opened: Chrome) -> None:
    wait(lambda: drawn(opened, "ridges-2"))
    traces = drawn(opened, "ridges-2")
    assert len(traces) == 2 * 4  # a ridge and its base an update
    assert max(traces[1]["y"]) > 0.5
    assert not opened.find_elements(By.CSS_SELECTOR, "#mechanism-charts figure")


def test_the_page_needs_no_network(page: str) -> None:
    text = re.sub(r"(?s)<script>.*?</script>", "", Path(page.removeprefix("file://")).read_text())
    assert re.findall(r"(?:src|href)\s*=\s*[\"']?(?!#|data:)[^\"'\s>]+", text) == []


def test_the_keyboard_reaches_everything(opened: Chrome) -> None:
    body = opened.find_element(By.TAG_NAME, "body")
    body.send_keys(Keys.TAB)
    reached = set()
    for _ in range(60):
        active = opened.switch_to.active_element
        reached.add(active.get_attribute("id") or active.text)
        active.send_keys(Keys.TAB)
    assert {"section", "score", "theme", "Adam", "y", "x", "smooth"} <= reached
    chip = opened.find_element(By.CSS_SELECTOR, "#methods button")
    chip.send_keys(Keys.SPACE)
    assert names(opened, "rates-chart") == ["Adam", "RAdam"]
    assert opened.switch_to.active_element.text == "SGD"  # the focus stays where it was


def test_light_and_dark(opened: Chrome) -> None:
    script = "return getComputedStyle(document.body).backgroundColor"
    opened.execute_cdp_cmd(
        "Emulation.setEmulatedMedia",
        {"features": [{"name": "prefers-color-scheme", "value": "dark"}]},
    )
    dark = wait(lambda: opened.execute_script(script))
    button = opened.find_element(By.ID, "theme")
    button.click()  # light, whatever the system prefers
    light = opened.execute_script(script)
    button.click()
    assert opened.execute_script(script) == dark
    assert light == "rgb(255, 255, 255)"
    assert dark != light
    assert "theme=dark" in opened.current_url
    opened.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def test_a_telephone_scrolls_down_only(page: str, tmp_path: Path) -> None:
    with browser(tmp_path, width=390, height=844) as driver:
        open_page(driver, page)
        assert driver.execute_script("return document.documentElement.scrollWidth") == 390
        assert problems(driver) == []


def test_an_empty_store_says_what_to_do(chromium: Chrome, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text(build(read_results(tmp_path), tmp_path))
    chromium.get(f"file://{page}")
    empty = chromium.find_element(By.ID, "empty")
    wait(lambda: "make reproduce-cifar" in empty.text)
    assert problems(chromium) == []
