"""What W&B shows of the mirrored runs: a saved workspace a section, and one report.

Built with wandb-workspaces as specifications, without a network, and then saved. Every view is
filtered to one section's task, protocol and dataset, as on the page that the suite builds itself.
"""

from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go
import wandb_workspaces.reports.v2 as wr
import wandb_workspaces.workspaces as ws

from experiments.analysis.cells import SCORES, Section
from experiments.analysis.claims import Row
from experiments.analysis.report.scorecard import verdict_text
from experiments.analysis.report.text_tables import ROBUSTNESS, cell_text, robustness_text
from experiments.analysis.robustness import robustness
from experiments.analysis.wording import banner, data_title, metric_title, rate
from experiments.errors import UserError
from experiments.tracking.wandb.client import flat_config

ANALYSIS = "analysis"
"""Job type of the W&B run that carries a section's heatmap and robustness table."""


def filters(section: Section) -> dict[str, Any]:
    """What the configuration of every run of the section has, by W&B's keys."""
    shared: dict[str, Any] = {
        "task": section.task,
        "protocol": section.protocol,
        "dataset": section.dataset,
    }
    for field, _ in section.settings:
        if f"config.{field}" not in section.runs.columns:
            continue  # the data's digest, which is no setting
        value = section.runs[f"config.{field}"][0]
        if not (isinstance(value, str) and value.startswith("[")):  # W&B does not filter by lists
            first, *rest = field.split(".")
            shared |= flat_config({first: {".".join(rest).replace(".", "_"): value}})
    return shared


def panels(section: Section) -> list[Any]:
    """Final metric against α, heatmap, robustness numbers, curves."""
    metric = f"test/{section.metric}"
    by_cell: dict[str, Any] = {"groupby": "cell", "groupby_aggfunc": "mean"}
    by_cell["groupby_rangefunc"] = "minmax"
    return [
        wr.ScatterPlot(
            title=f"test {metric_title(section.metric)} after the last update against α",
            x=wr.Config("lr"),
            y=wr.SummaryMetric("final"),
            log_x=True,
            legend_template="${config:optimizer} seed ${config:seed}",
            layout=wr.Layout(0, 0, 12, 8),
        ),
        wr.MediaBrowser(
            title="optimizer × α", media_keys=["heatmap"], layout=wr.Layout(12, 0, 12, 8)
        ),
        wr.WeavePanelSummaryTable(table_name="robustness", layout=wr.Layout(0, 8, 24, 6)),
        wr.LinePlot(
            title="training loss, mean over seeds",
            x="update",
            y=["train/loss"],
            smoothing_factor=0,
            layout=wr.Layout(0, 14, 12, 8),
            **by_cell,
        ),
        wr.LinePlot(
            title=f"test {metric_title(section.metric)}, mean over seeds",
            x="epoch",
            y=[metric],
            smoothing_factor=0,
            layout=wr.Layout(12, 14, 12, 8),
            **by_cell,
        ),
        wr.ParallelCoordinatesPlot(
            title="optimizer, α, result",
            columns=[
                wr.ParallelCoordinatesPlotColumn(metric=wr.Config("optimizer")),
                wr.ParallelCoordinatesPlotColumn(metric=wr.Config("lr"), log=True),
                wr.ParallelCoordinatesPlotColumn(metric=wr.SummaryMetric("final")),
            ],
            layout=wr.Layout(0, 22, 24, 8),
        ),
    ]


def workspace(section: Section, entity: str, project: str) -> ws.Workspace:
    """The saved view of one section."""
    return ws.Workspace(
        entity=entity,
        project=project,
        name=section.title,
        sections=[
            ws.Section(name="Learning-rate robustness", panels=panels(section), is_open=True)
        ],
        runset_settings=ws.RunsetSettings(
            filters=ws.And(*(ws.Config(key) == value for key, value in filters(section).items())),
        ),
    )


def report(found: Sequence[Section], rows: Sequence[Row], entity: str, project: str) -> wr.Report:
    """Every section's panels, and the scorecard of claims."""
    blocks: list[Any] = [
        wr.TableOfContents(),
        wr.P("Runs of different tasks, protocols and datasets are never mixed."),
    ]
    for section in found:
        blocks.append(wr.H2(section.title))
        if warning := banner(section.task, section.protocol, section.dataset):
            blocks.append(wr.CalloutBlock(warning))
        blocks += [wr.P(text) for text in section.runs["setting"].drop_nulls().unique().sort()]
        wanted = " and ".join(f"Config('{k}') = {v!r}" for k, v in filters(section).items())
        runs = wr.Runset(entity=entity, project=project, name=section.title, filters=wanted)
        blocks.append(wr.PanelGrid(runsets=[runs], panels=panels(section)))
    blocks += [wr.H2("Claims of the paper"), wr.MarkdownBlock(claims_table(rows))]
    return wr.Report(
        entity=entity,
        project=project,
        title="RAdam: the paper's experiments, re-run",
        description="Made from the store of runs by python -m experiments.report wandb",
        width="fluid",
        blocks=blocks,
    )


def claims_table(rows: Sequence[Row]) -> str:
    """The scorecard as a Markdown table."""
    lines = ["| claim | paper | ours | runs | verdict |", "| --- | --- | --- | --- | --- |"]
    for row in rows:
        cells = (
            f"{row.claim}, {row.where}: {row.statement}",
            "; ".join(row.paper) or "no figure",
            "; ".join(row.ours) or row.reason,
            f"{row.protocol}, {data_title(row.dataset)}",
            verdict_text(row),
        )
        lines.append("| " + " | ".join(text.replace("|", "\\|") for text in cells) + " |")
    return "\n".join(lines)


def heatmap(section: Section, kind: str = "final") -> go.Figure:
    """Optimizer × α: colour and text are the mean over seeds; a cell without a score is empty."""
    grid = section.grid(kind)
    cells = [[grid.cells.get((method, lr)) for lr in grid.lrs] for method in grid.methods]
    values = [[grid.value(c) if c and c.n else None for c in row] for row in cells]
    texts = [["<br>".join(cell_text(cell, grid)) for cell in row] for row in cells]
    figure = go.Figure(
        go.Heatmap(
            x=[rate(lr) for lr in grid.lrs],
            y=[method.label for method in grid.methods],
            z=values,
            text=texts,
            texttemplate="%{text}",
            colorscale="Viridis",
            reversescale=section.direction == "min",
        )
    )
    title = f"{section.title}: test {metric_title(section.metric)}, {SCORES[kind]}"
    return figure.update_layout(title=title, xaxis={"type": "category", "title": "α"})


def robustness_rows(section: Section, kind: str = "final") -> tuple[list[str], list[list[str]]]:
    """Columns and rows of the robustness numbers, as on the terminal."""
    grid = section.grid(kind)
    columns = ["optimizer", *(name.replace("\n", " ") for name in ROBUSTNESS.values())]
    rows = []
    for numbers in robustness(grid):
        texts = robustness_text(numbers, grid)
        rows.append([numbers.method.label, *(" ".join(texts[key]) for key in ROBUSTNESS)])
    return columns, rows


def save(
    found: Sequence[Section], rows: Sequence[Row], entity: str | None, project: str
) -> list[str]:
    """Log each section's heatmap and table, save the views; returns their addresses.

    Needs a key and the network; raises what wandb raises.
    """
    import wandb

    entity = entity or wandb.Api().default_entity
    if entity is None:
        raise UserError("Weights & Biases knows no entity of yours; set it in tracking/wandb.yaml")
    made = []
    for section in found:
        run = wandb.init(
            entity=entity,
            project=project,
            id=f"{ANALYSIS}-{section.name}"[:64],
            name=f"analysis: {section.title}",
            job_type=ANALYSIS,
            config=filters(section),
            resume="allow",
            reinit="finish_previous",
            settings=wandb.Settings(silent=True, console="off", disable_git=True),
        )
        columns, data = robustness_rows(section)
        run.log(
            {"heatmap": wandb.Plotly(heatmap(section)), "robustness": wandb.Table([*columns], data)}
        )
        run.finish()
        made.append(workspace(section, entity, project).save().url)
    saved = report(found, rows, entity, project)
    saved.save()
    return [*made, saved.url]
