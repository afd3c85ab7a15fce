"""The figures are made, of sane size, and say what they are."""

from pathlib import Path

import matplotlib.pyplot as plt
import pytest
from PIL import Image

from benchmarks.invented_store import RATES, learning_curve, only_section, run
from experiments.analysis.curves import (
    best_cells,
    curve,
    followed_split,
    read_curves,
    usual_sds,
)
from experiments.analysis.dashboard.data import section_data
from experiments.analysis.report.drawing import heading, method_styles, paper_style
from experiments.analysis.report.figures import (
    curves_figure,
    draw_section,
    profile_figure,
    rates_figure,
    robustness_figure,
)
from experiments.analysis.report.ridges import read_runs, ridges_figure
from experiments.analysis.style import MARKERS, STYLES, Style, style


def small_store(root: Path, **fields: str) -> None:
    """Two optimizers, two warmup lengths, two rates, two seeds, one divergence."""
    for lr in RATES[:2]:
        for seed in (1, 2):
            fields_here = {**fields, "curves": learning_curve(50.0, 1.0, 6, seed)}
            run(root, "radam", lr, seed, 50.0 + seed, **fields_here)
            for length in (8, 64):
                run(root, "adam_warmup", lr, seed, 40.0, warmup_updates=length, **fields_here)
            lost = lr == 0.1 and seed == 1
            curves = learning_curve(30.0, 2.0, 6, seed, stop=4 if lost else None)
            status = "diverged" if lost else "completed"
            run(root, "adam", lr, seed, 30.0, status=status, **{**fields, "curves": curves})


def test_every_figure_is_made_whole_and_of_sane_size(tmp_path: Path) -> None:
    small_store(tmp_path / "runs", protocol="mini", dataset="standin")
    written = draw_section(only_section(tmp_path / "runs"), "final", tmp_path / "figures")
    assert [path.name for path in written] == [
        f"cifar10-mini-standin-{what}.png"
        for what in ("robustness", "profiles", "curves", "rates", "rates-adam_warmup")
    ]
    for path in written:
        with Image.open(path) as image:
            assert 700 <= image.width <= 1600
            assert 600 <= image.height <= 1600
            assert len(image.getcolors(maxcolors=2**24)) > 50  # not a blank page
        assert path.stat().st_size < 600_000
        assert path.with_suffix(".pdf").read_bytes().startswith(b"%PDF")


def test_equal_stores_give_equal_files(tmp_path: Path) -> None:
    for lr in RATES[:2]:
        run(tmp_path / "runs", "radam", lr, 1, 50.0)
    section = only_section(tmp_path / "runs")
    first = draw_section(section, "final", tmp_path / "a")
    second = draw_section(section, "final", tmp_path / "b")
    assert len(first) == 2
    for one, other in zip(first, second, strict=True):
        assert one.read_bytes() == other.read_bytes()
        assert one.with_suffix(".pdf").read_bytes() == other.with_suffix(".pdf").read_bytes()


@pytest.mark.parametrize(
    ("protocol", "dataset", "warnings"),
    [
        ("mini", "standin", ("STAND-IN", "mini protocol, not the paper's setting")),
        ("mini", "real", ("mini protocol, not the paper's setting", "4,096 images")),
        ("recipe", "standin", ("STAND-IN",)),
        ("recipe", "real", ()),
    ],
)
def test_the_heading_warns(
    tmp_path: Path, protocol: str, dataset: str, warnings: tuple[str, ...]
) -> None:
    run(tmp_path, "radam", 0.1, 1, 50.0, protocol=protocol, dataset=dataset)
    said = " ".join(heading(only_section(tmp_path), width=7.0).split())
    assert all(warning in said for warning in warnings)
    assert ("decides no claim" in said) == (protocol == "mini")
    assert ("says nothing about the paper" in said) == (dataset == "standin")


def drawn_texts(root: Path) -> tuple[list[str], "plt.Figure"]:
    section = only_section(root)
    grid = section.grid("final")
    with paper_style():
        figure = robustness_figure(section, grid, "final", grid.methods)
    (axes,) = figure.axes
    return [text.get_text() for text in axes.texts], figure


def test_a_diverged_cell_is_marked_with_its_count(tmp_path: Path) -> None:
    small_store(tmp_path)
    texts, figure = drawn_texts(tmp_path)
    assert texts == ["1 of 2"]
    crosses = [line for line in figure.axes[0].lines if line.get_marker() == "x"]
    assert [line.get_color() for line in crosses] == [style("adam").colour]
    plt.close(figure)


def test_neither_heading_nor_legend_covers_the_axes(tmp_path: Path) -> None:
    small_store(tmp_path, protocol="mini", dataset="standin")
    section = only_section(tmp_path)
    grid, records = section.grid("final"), read_curves(section)
    with paper_style():
        figures = [
            robustness_figure(section, grid, "final", grid.methods),
            profile_figure(section, grid, "final", grid.methods),
            curves_figure(section, best_cells(grid), records),
            rates_figure(section, grid, grid.methods, records),
        ]
    for figure in figures:
        figure.canvas.draw()
        (legend,) = figure.legends
        around = [legend.get_window_extent(), figure._suptitle.get_window_extent()]
        for axes in figure.axes:
            assert not any(box.overlaps(axes.get_tightbbox()) for box in around)
        for box in around:
            assert figure.bbox.x0 <= box.x0 <= box.x1 <= figure.bbox.x1
            assert figure.bbox.y0 <= box.y0 <= box.y1 <= figure.bbox.y1
        plt.close(figure)


def test_single_seeds_have_no_intervals(tmp_path: Path) -> None:
    for lr in RATES:
        run(tmp_path, "radam", lr, 1, 50.0, curves=learning_curve(50.0, 1.0, 6, 1))
    _, figure = drawn_texts(tmp_path)
    assert figure.legends[0].get_title().get_text() == "n = 1: no intervals; ×: diverged"
    assert len(figure.axes[0].lines) == 1
    plt.close(figure)
    section = only_section(tmp_path)
    (cell,) = best_cells(section.grid("final"))
    assert curve(read_curves(section), cell, "loss").band is None


def test_settings_of_one_optimizer_keep_its_marker_and_differ_in_shade(tmp_path: Path) -> None:
    small_store(tmp_path)
    styles = method_styles(only_section(tmp_path).methods)
    adam, short, long, radam = styles.values()
    assert (adam, radam) == (style("adam"), style("radam"))
    assert short.marker == long.marker == style("adam_warmup").marker
    assert short.colour != long.colour
    assert short.dash != long.dash


@pytest.mark.parametrize("symbol", MARKERS)
def test_any_symbol_can_be_drawn(
    symbol: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the page too; and where an optimizer stands whose name nobody knows here."""
    monkeypatch.setitem(STYLES, "radam", Style("#123456", symbol))  # type: ignore[index]  # read-only
    for optimizer in ("radam", "zeppelin", "airship"):
        for lr in RATES:
            run(tmp_path, optimizer, lr, 1, 50.0)
    section = only_section(tmp_path)
    assert [m.optimizer for m in section.methods] == ["radam", "airship", "zeppelin"]
    _, figure = drawn_texts(tmp_path)
    markers = [line.get_marker() for line in figure.axes[0].lines]
    assert markers == [style(m.optimizer).marker for m in section.methods]
    plt.close(figure)
    drawn = [method["symbol"] for method in section_data(section)["methods"]]
    assert drawn == [style(m.optimizer).symbol for m in section.methods]
    assert drawn[0] == symbol


def test_a_curve_goes_on_over_the_others_where_a_run_diverged(tmp_path: Path) -> None:
    small_store(tmp_path)
    section = only_section(tmp_path)
    grid = section.grid("final")
    cell = grid.cells[grid.methods[0], 0.1]
    found = curve(read_curves(section), cell, "accuracy", "test")
    assert found.n == 2
    assert found.epochs.tolist() == [1, 2, 3, 4, 5, 6]
    ((epoch, _),) = found.ends
    assert epoch == 3.0
    low, _ = found.band
    assert [bool(value == value) for value in low] == [True] * 3 + [False] * 3


def test_where_the_test_set_is_scored_only_at_the_end_validation_is_followed(
    tmp_path: Path,
) -> None:
    followed = learning_curve(30.0, 1.0, 3, 1)
    for record in followed:
        if record["kind"] == "eval":
            record["split"] = "validation"
    at_the_end = {**followed[-1], "kind": "eval", "split": "test", "accuracy": 29.0}
    run(tmp_path, "radam", 0.1, 1, 29.0, curves=[*followed, at_the_end])
    section = only_section(tmp_path)
    records = read_curves(section)
    (cell,) = best_cells(section.grid("final"))
    assert followed_split(records, "accuracy") == "validation"
    assert len(curve(records, cell, "accuracy", "validation").epochs) == 3
    figure = curves_figure(section, [cell], records)
    assert figure.axes[1].get_ylabel().startswith("validation")
    plt.close(figure)


def test_a_store_without_curves_or_without_scores_is_no_error(tmp_path: Path) -> None:
    run(tmp_path / "a", "radam", 0.1, 1, 50.0)  # one α, no records
    assert draw_section(only_section(tmp_path / "a"), "final", tmp_path) == []
    run(tmp_path / "b", "radam", 0.1, 1, None, status="interrupted")
    assert draw_section(only_section(tmp_path / "b"), "final", tmp_path) == []


def test_a_metric_to_be_minimised_with_infinite_scores_is_drawn(tmp_path: Path) -> None:
    for lr in RATES[:2]:
        run(tmp_path, "adam", lr, 1, None, task="lm1b", status="diverged")
        run(tmp_path, "radam", lr, 1, 36.0, task="lm1b")
    written = draw_section(only_section(tmp_path), "final", tmp_path / "figures")
    assert [path.stem for path in written] == [
        "lm1b-recipe-real-robustness",
        "lm1b-recipe-real-profiles",
    ]


def translations(root: Path) -> None:
    """Adam ends at chance at the larger rate; validation is followed."""
    for optimizer in ("adam", "radam"):
        for lr in (0.001, 0.003):
            lost = optimizer == "adam" and lr == 0.003
            curves = [
                {"kind": "train", "update": t, "epoch": t / 2, "seconds": t, "loss": 6.0 - 0.1 * t}
                for t in (1, 2, 3)
            ]
            for seed in (1, 2) if lr == 0.003 else (1,):
                score, fields = 0.0 if lost else 3.0 + seed / 10, {"at_chance": lost}
                run(root, optimizer, lr, seed, score, task="iwslt14_de_en", curves=curves, **fields)


def test_runs_at_chance_are_hollow_and_the_legend_says_so(tmp_path: Path) -> None:
    translations(tmp_path)
    _, figure = drawn_texts(tmp_path)
    hollow = [ln for ln in figure.axes[0].lines if ln.get_markerfacecolor() == "white"]
    (marked,) = (ln for ln in hollow if len(ln.get_xdata()))
    assert marked.get_marker() == style("adam").marker
    assert marked.get_ydata() == [0.0]
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert "hollow: a run there learned nothing" in legend
    plt.close(figure)
    section = only_section(tmp_path)
    grid, records = section.grid("final"), read_curves(section)
    adam, radam = grid.methods
    assert curve(records, grid.cells[adam, 0.003], "loss").at_chance == ((1.5, 5.7),) * 2
    assert curve(records, grid.cells[radam, 0.003], "loss").at_chance == ()


def test_without_runs_at_chance_nothing_is_hollow(tmp_path: Path) -> None:
    small_store(tmp_path)
    _, figure = drawn_texts(tmp_path)
    assert all(ln.get_markerfacecolor() != "white" for ln in figure.axes[0].lines)
    plt.close(figure)


def test_figure_1_is_of_translation_at_the_rate_of_most_runs(tmp_path: Path) -> None:
    translations(tmp_path / "runs")
    written = draw_section(only_section(tmp_path / "runs"), "final", tmp_path / "figures")
    assert "iwslt14_de_en-recipe-real-same-rate-0.003" in [path.stem for path in written]


def test_ridges_say_in_words_what_lies_beyond_the_bins(tmp_path: Path) -> None:
    edges = [-20.5 + 0.5 * place for place in range(43)]
    counts = [70] + [0] * 19 + [30] + [0] * 21
    field = {"edges": edges, "counts": counts, "zeros": 70, "elements": 100}
    record = {"kind": "histogram", "update": 1, "epoch": 0.1, "seconds": 0.1, "gradient": field}
    run(tmp_path, "radam", 0.1, 1, 50.0, curves=[record])
    section = only_section(tmp_path)
    with paper_style():
        figure = ridges_figure(section, read_runs(section, 0.1), "gradient", 0.1)
    (axes,) = figure.axes
    assert [text.get_text() for text in axes.texts] == ["70%"]
    ridge = next(ln for ln in axes.lines if len(ln.get_xdata()) > 2)
    assert (min(ridge.get_xdata()), max(ridge.get_xdata())) == (-20.0, 0.0)
    heights = dict(zip(ridge.get_xdata(), ridge.get_ydata(), strict=True))
    assert heights[-20.0] == 0.0  # no bar at the left
    assert [x for x, y in heights.items() if y > 0] == [-10.5]
    plt.close(figure)


def test_no_band_is_narrower_than_is_usual(tmp_path: Path) -> None:
    """By chance two seeds of one cell lie close together; those of the others do not."""
    for lr in RATES:
        for seed in (1, 2):
            loss = 1.0 + (0.001 if lr == RATES[0] else 0.2) * seed
            records = [{"kind": "train", "update": 1, "epoch": 1.0, "seconds": 1.0, "loss": loss}]
            run(tmp_path, "radam", lr, seed, 50.0, curves=records)
    section = only_section(tmp_path)
    grid, records = section.grid("final"), read_curves(section)
    cell = grid.cells[grid.methods[0], RATES[0]]
    alone = curve(records, cell, "loss").band
    beside = curve(records, cell, "loss", None, usual_sds(records, "loss")).band
    assert alone[1] - alone[0] == pytest.approx(0.0127, rel=0.01)
    assert beside[1] - beside[0] > 0.2
