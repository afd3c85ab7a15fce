"""The table of effective warmup lengths, for the terminal."""

from rich.table import Table

from experiments.analysis.wording import rate
from experiments.mechanism.records import Record


def effective_lengths(record: Record) -> Table:
    """Σ (1 − ω_t) in updates, from the record ``rectifier_vs_warmup``: a row a β2."""
    linear = "; ".join(
        f"{row['length']:,}: {row['effective_length']:,.1f}" for row in record["linear"]
    )
    table = Table(
        title="Effective warmup length Σ (1 − ω_t), in updates",
        caption=f"linear warmups: {linear}",
        title_justify="left",
    )
    table.add_column("β2")
    for name in ("r_t", "untuned linear", "untuned exponential", "momentum updates first"):
        table.add_column(name, justify="right")
    for row in record["by_beta2"]:
        lengths = row["effective_length"]
        names = ("rectifier", "untuned_linear", "untuned_exponential")
        cells = [f"{lengths[name]:,.1f}" for name in names]
        table.add_row(rate(row["beta2"]), *cells, str(row["momentum_updates"]))
    return table
