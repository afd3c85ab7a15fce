"""The zoo in fairseq's real commands: preprocess, train, stop, resume, average, generate."""

import itertools
import json
import random
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from radam.schedules import DECAYS, make_schedule
from tests.radam.schedule_options import OPTIONS

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[3]
UPDATES, STOP, WARMUP, LR = 16, 7, 4, 0.01

MODEL = (
    "bin --arch transformer_iwslt_de_en --encoder-layers 1 --decoder-layers 1 "
    "--encoder-embed-dim 16 --decoder-embed-dim 16 --encoder-ffn-embed-dim 16 "
    "--decoder-ffn-embed-dim 16 --criterion label_smoothed_cross_entropy --label-smoothing 0.1 "
    f"--max-tokens 200 --lr {LR} --dropout 0.1 --no-progress-bar --log-format json "
    "--log-interval 1 --cpu --num-workers 0 --disable-validation"
).split()
RADAM = (
    f"--optimizer radam --adam-betas (0.9,0.99) --weight-decay 0.01 --early skip "
    f"--lr-scheduler linear --warmup-updates {WARMUP} --total-updates {UPDATES} --end-lr 1e-9"
).split()


def command(folder, *words):
    """Run a command there; what it printed. Hides CUDA: the numbers here are a CPU's."""
    done = subprocess.run(
        [sys.executable, "-m", "radam.fairseq_plugin", *words],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout + done.stderr


def records(printed):
    """The rates of the updates, from fairseq's log."""
    lines = [
        line.split("| train_inner | ", 1)[1] for line in printed.splitlines() if "_inner" in line
    ]
    return {int(r["num_updates"]): float(r["lr"]) for r in map(json.loads, lines)}


def parameters(path):
    model = torch.load(path, weights_only=False)["model"]
    return {k: v for k, v in model.items() if not k.endswith("_float_tensor")}


@pytest.fixture(scope="module")
def trained(fairseq, tmp_path_factory):
    """A folder with data made by fairseq's preprocess, and a model trained without a stop."""
    folder = tmp_path_factory.mktemp("fairseq")
    rng = random.Random(1)
    for split, lines in (("train", 120), ("valid", 8), ("test", 8)):
        text = [" ".join(rng.choices("abcdefgh", k=rng.randint(3, 9))) for _ in range(lines)]
        (folder / f"{split}.en").write_text("".join(f"{line}\n" for line in text))
        (folder / f"{split}.de").write_text("".join(f"{line.upper()}\n" for line in text))
    prefixes = [f"--{split}pref={split}" for split in ("train", "valid", "test")]
    command(folder, "preprocess", "-s=en", "-t=de", *prefixes, "--destdir=bin")
    printed = command(
        folder, "train", *MODEL, *RADAM, "--save-dir=whole", f"--max-update={UPDATES}"
    )
    return folder, printed


def test_the_rates_are_the_suites(trained):
    schedule = make_schedule(
        "linear", LR, warmup="linear", warmup_updates=WARMUP, total_updates=UPDATES, end_lr=1e-9
    )
    rates = records(trained[1])
    assert len(rates) == UPDATES
    # fairseq logs, after update n, the rate of update n + 1, with six digits.
    expected = {n: schedule(n + 1) for n in rates}
    assert rates == pytest.approx(expected, rel=1e-5, abs=1e-12)


def test_stopped_in_an_epoch_and_resumed_it_ends_the_same(trained):
    folder, _ = trained
    parts = ["--save-dir=parts", "--user-dir", str(ROOT / "radam" / "fairseq_plugin")]
    command(folder, "train", *MODEL, *RADAM, *parts, f"--max-update={STOP}")
    stopped = parameters(folder / "parts" / "checkpoint_last.pt")
    printed = command(folder, "train", *MODEL, *RADAM, *parts, f"--max-update={UPDATES}")
    assert min(records(printed)) == STOP + 1
    whole = parameters(folder / "whole" / "checkpoint_last.pt")
    parts = parameters(folder / "parts" / "checkpoint_last.pt")
    torch.testing.assert_close(parts, whole, rtol=0, atol=0)
    assert any(not torch.equal(stopped[name], whole[name]) for name in whole)


def test_the_mean_of_checkpoints_generates(trained):
    folder, _ = trained
    epochs = sorted((folder / "whole").glob("checkpoint[0-9].pt"))[-2:]
    assert len(epochs) == 2
    command(folder, "average", "mean.pt", *map(str, epochs))
    one, other, mean = (parameters(path) for path in (*epochs, folder / "mean.pt"))
    expected = {name: (one[name] + other[name]) / 2 for name in mean}
    torch.testing.assert_close(mean, expected)
    words = ["--beam=2", "--max-len-b=10", "--cpu", "--num-workers=0"]
    printed = command(folder, "generate", "bin", "--path=mean.pt", *words)
    assert "Translated 8 sentences" in printed
    assert "BLEU4 = " in printed


def test_every_optimizer_takes_a_step_and_reads_its_options(fairseq):
    from omegaconf import OmegaConf

    from radam.fairseq_plugin.compat import fairseqs_hydra
    from radam.zoo import ZOO

    with fairseqs_hydra():
        import radam.fairseq_plugin.optimizers as ours
    from fairseq.optim import OPTIMIZER_REGISTRY

    names = {name.removeprefix("zoo_") for name, kind in OPTIMIZER_REGISTRY.items()
             if issubclass(kind, ours.ZooOptimizer)}  # fmt: skip
    assert names == {name for name, entry in ZOO.items() if entry.warmup is None}
    for name, kind in OPTIMIZER_REGISTRY.items():
        if not issubclass(kind, ours.ZooOptimizer):
            continue
        p = torch.nn.Parameter(torch.ones(3))
        config = OmegaConf.structured(ours._configuration(kind.entry))
        config.lr = [0.5]
        optimizer = kind(config, [p])
        optimizer.set_lr(0.25)
        p.grad = torch.ones(3)
        optimizer.step()
        assert optimizer.get_lr() == 0.25, name


def test_half_precision_parameters_have_float32_averages(trained):
    """Also after a stop: the averages do not take the parameters' type when they are loaded."""
    folder, _ = trained
    words = [*MODEL, "--memory-efficient-fp16", "--optimizer=radam", "--save-dir=half"]
    for updates in (2, 4):
        command(folder, "train", *words, f"--max-update={updates}")
    saved = torch.load(folder / "half" / "checkpoint_last.pt", weights_only=False)
    states = saved["last_optimizer_state"]["state"].values()
    assert {float(state["step"]) for state in states} == {4}
    # fairseq writes every number as float32; float16 would leave half of their digits at 0.
    for name in ("exp_avg", "exp_avg_sq"):
        numbers = torch.cat([state[name].flatten() for state in states])
        assert (numbers != numbers.half()).float().mean() > 0.5


# Warmups on the command line, and the same for `make_schedule`.
WARMUPS = [
    ("", {}),
    ("--warmup-updates 3", {"warmup": "linear", "warmup_updates": 3}),
    ("--warmup untuned_linear", {"warmup": "untuned_linear", "beta2": 0.99}),
    ("--warmup untuned_exponential", {"warmup": "untuned_exponential", "beta2": 0.99}),
    ("--warmup linear --warmup-updates 3", {"warmup": "linear", "warmup_updates": 3}),
]


@pytest.mark.parametrize(("decay", "warmup"), zip(DECAYS, itertools.cycle(WARMUPS), strict=False))
def test_every_schedule_trains_at_the_suites_rates(trained, decay, warmup):
    """In the real command, with every option it has."""
    from radam.fairseq_plugin.compat import fairseqs_hydra

    with fairseqs_hydra():
        import radam.fairseq_plugin.schedules as ours
    from fairseq.optim.lr_scheduler import LR_SCHEDULER_REGISTRY as registry

    kinds = {n: k for n, k in registry.items() if issubclass(k, ours.ZooSchedule)}
    (name,) = [name for name, kind in kinds.items() if kind.decay == decay]
    words = f"--optimizer radam --adam-betas (0.9,0.99) --lr-scheduler {name} {warmup[0]}".split()
    for option, value in OPTIONS[decay].items():
        written = ",".join(map(str, value)) if isinstance(value, list) else str(value)
        words += [f"--{option.replace('_', '-')}", written]
    printed = command(
        trained[0], "train", *MODEL, *words, "--no-save", "--max-update=8", f"--save-dir={name}"
    )
    schedule = make_schedule(decay, LR, **OPTIONS[decay], **warmup[1])
    rates = records(printed)
    assert len(rates) == 8
    assert rates == pytest.approx({n: schedule(n + 1) for n in rates}, rel=1e-5, abs=1e-12)


@pytest.mark.parametrize(
    ("written", "numbers"),
    [("23", (23,)), ("2,23", (2, 23)), ("2 23", (2, 23)), ("[2, 23]", (2, 23)),
     ("(2,23,)", (2, 23)), ([2, 23], (2, 23)), ("", ())],
)  # fmt: skip
def test_milestones_may_be_written_in_any_of_the_usual_ways(fairseq, written, numbers):
    from radam.fairseq_plugin.schedules import whole_numbers

    assert whole_numbers("milestones", written) == numbers


REFUSED = [
    ("multi_step", {"milestones": "2.5"}, "--milestones 2.5: write whole numbers"),
    ("multi_step", {"milestones": "2;5"}, "--milestones 2;5: write whole numbers"),
    ("multi_step", {"milestones": "5,2"}, "milestones is (5, 2)"),
    ("multi_step", {"milestones": "2", "gamma": -1.0}, "gamma is -1.0"),
    ("linear", {"end_lr": float("nan")}, "end_lr is nan"),
    ("linear", {"end_lr": -1.0}, "end_lr is -1.0"),
    ("linear", {"warmup_updates": 8}, "total_updates is 8"),
    ("zoo_cosine", {"total_updates": 0}, "total_updates is 0"),
    ("constant", {"warmup": "slow"}, "warmup 'slow' is unknown"),
    ("constant", {"warmup": "none", "warmup_updates": 4}, "warmup_updates is 4"),
    ("constant", {"lr": [0.1, 0.2]}, "--lr [0.1, 0.2]: one rate"),
]


@pytest.mark.parametrize(("name", "written", "message"), REFUSED)
def test_what_no_schedule_takes_is_refused(fairseq, name, written, message):
    from omegaconf import OmegaConf

    from radam.fairseq_plugin.compat import BadOption, fairseqs_hydra

    with fairseqs_hydra():
        import radam.fairseq_plugin.optimizers as optimizers
        import radam.fairseq_plugin.schedules  # noqa: F401
    from fairseq.optim import OPTIMIZER_REGISTRY
    from fairseq.optim.lr_scheduler import LR_SCHEDULER_DATACLASS_REGISTRY, LR_SCHEDULER_REGISTRY

    kind = OPTIMIZER_REGISTRY["radam"]
    config = OmegaConf.structured(optimizers._configuration(kind.entry))
    config.lr = [0.5]
    optimizer = kind(config, [torch.nn.Parameter(torch.ones(3))])
    config = OmegaConf.structured(LR_SCHEDULER_DATACLASS_REGISTRY[name])
    for key, value in {"lr": [0.1], "max_update": 8, **written}.items():
        setattr(config, key, value)
    with pytest.raises(BadOption) as refused:
        LR_SCHEDULER_REGISTRY[name](config, optimizer)
    assert str(refused.value).startswith(message)
    assert "\n" not in str(refused.value)


def test_a_refusal_is_one_line_of_the_command(trained):
    words = ["--optimizer=radam", "--lr-scheduler=multi_step", "--milestones=2;5", "--no-save"]
    done = subprocess.run(
        [sys.executable, "-m", "radam.fairseq_plugin", "train", *MODEL, *words, "--max-update=8"],
        cwd=trained[0],
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2, done.stderr[-2000:]
    assert "error: --milestones 2;5: write whole numbers" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
