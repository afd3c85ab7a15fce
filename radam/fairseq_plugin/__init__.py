"""The zoo for fairseq: optimizers and schedules for its own trainer.

``python -m radam.fairseq_plugin train DATA --optimizer radam --lr-scheduler linear ...`` runs
fairseq's command with the zoo in it, on Python ≥ 3.11 too. Where fairseq's own commands work,
``fairseq-train --user-dir "$(python -m radam.fairseq_plugin path)" ...`` does the same.
"""

if __name__ != "radam.fairseq_plugin":
    # fairseq's --user-dir: it put the folder above in front of sys.path and imported this one by
    # its bare name. There `adam`, `options`, ... would shadow other people's modules.
    import sys
    from pathlib import Path

    _above = str(Path(__file__).resolve().parent.parent)
    sys.path[:] = [entry for entry in sys.path if entry != _above]
    import radam.fairseq_plugin.optimizers
    import radam.fairseq_plugin.schedules  # noqa: F401
