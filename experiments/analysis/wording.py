"""What is said to people in more than one place: figures, tables, the report and the page."""

from experiments.tasks.registry import TASKS

METRICS = {"accuracy": "accuracy (%)", "perplexity": "perplexity", "bleu": "BLEU"}

PROTOCOLS = ("paper", "recipe", "short", "mini", "smoke")
"""In the order in which they are shown."""

DECIDING = ("paper", "recipe")
"""The protocols whose runs, on real data, decide claims."""

STANDIN = "STAND-IN data: says nothing about the paper"

WITHIN_WARMUP = (
    "So short a run lies inside RAdam's own warmup (about 2/(1−β2) = 2,000 updates at β2 = .999), "
    "where RAdam takes smaller steps than the others throughout: such results decide nothing "
    "about the paper."
)


def metric_title(metric: str) -> str:
    """With its unit: ``accuracy (%)``."""
    return METRICS.get(metric, metric)


def data_title(dataset: str) -> str:
    """``STAND-IN`` cries out wherever it stands."""
    return "STAND-IN" if dataset == "standin" else dataset


def in_paper(task: str) -> bool:
    """Whether the paper has it; a task that this checkout does not have is taken for one."""
    return task not in TASKS or TASKS[task].of_the_paper


def decides(task: str, protocol: str, dataset: str) -> bool:
    """Whether such runs may decide a claim of the paper."""
    return in_paper(task) and protocol in DECIDING and dataset == "real"


def banner(task: str, protocol: str, dataset: str) -> str | None:
    """The warning that a figure or table of such runs carries; None if it needs none."""
    lines = []
    if dataset == "standin":
        lines.append(STANDIN)
    if not in_paper(task):
        lines.append("no task of the paper: decides no claim")
    elif protocol not in DECIDING:
        lines.append(f"{protocol} protocol, not the paper's setting: decides no claim")
    return "\n".join(lines) or None


def rate(lr: float) -> str:
    """α as the paper writes it: ``.03``, ``.0003``; ``1`` and above as they are."""
    text = f"{lr:.10f}".rstrip("0").rstrip(".") if lr >= 1e-5 else f"{lr:g}"
    return text.removeprefix("0") if text.startswith("0.") else text
