"""What a benchmark ran on, and that machine's limits."""

import statistics
import time

import torch

from experiments.tracking.provenance import commit, hardware, versions


def describe_machine(device: str) -> str:
    """Processor or GPU, threads, torch and commit, in one line."""
    facts = hardware(torch.device(device))
    what = facts.get("gpu") or f"{facts['cpu']}, {facts['threads']} threads"
    revision, dirty = commit()
    mark = " with changes" if dirty else ""
    return f"{what}; torch {versions()['torch']}; commit {(revision or 'none')[:7]}{mark}"


def matmul_rate(device: str, n: int = 2048, dtype: torch.dtype = torch.float32) -> float:
    """Floating-point operations a second of an n × n matrix product, median of five."""
    a, b = (torch.rand(n, n, device=device).to(dtype) for _ in range(2))
    rates = []
    for _ in range(6):
        if device == "cuda":
            torch.cuda.synchronize()
        started = time.perf_counter()
        a @ b
        if device == "cuda":
            torch.cuda.synchronize()
        rates.append(2 * n**3 / (time.perf_counter() - started))
    return statistics.median(rates[1:])
