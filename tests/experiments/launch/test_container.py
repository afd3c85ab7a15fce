"""Runs in containers: each engine's command line, and a real image where an engine can start."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from experiments.launch.container import srun_options, wrap
from experiments.launch.launcher import LocalLauncher, SlurmLauncher, read_launcher
from tests.experiments.launch.conftest import ROOT, SMOKE, Checkout, supervisor, wait_until

CODE, STORE, DATA = Path("/code"), Path("/store"), Path("/data")
COMMAND = ["python", "-m", "experiments.launch.worker", "/store/cifar10/0"]


def launcher(engine: str, *words: str) -> LocalLauncher | SlurmLauncher:
    return read_launcher(
        ["launcher=slurm", f"launcher.container={engine}", "launcher.image=suite", *words]
    )


def wrapped(engine: str, *words: str, gpu: bool = False) -> str:
    return " ".join(
        wrap(launcher(engine, *words), COMMAND, code=CODE, mounts=[STORE, DATA], gpu=gpu)
    )


@pytest.mark.parametrize("engine", ["docker", "podman", "apptainer", "charliecloud"])
def test_the_engine_gets_folders_options_image_and_command_in_its_order(engine: str) -> None:
    line = wrapped(engine, "launcher.container_options=[--one,--two]")
    program, *_ = line.split()
    assert program == {"charliecloud": "ch-run"}.get(engine, engine)
    places = [f"{STORE}:{STORE}", f"{DATA}:{DATA}", f"{CODE}:{CODE}", "--one --two suite"]
    positions = [line.index(place) for place in [*places, " ".join(COMMAND)]]
    assert positions == sorted(positions)
    assert line.endswith(" ".join(COMMAND))


@pytest.mark.parametrize(
    ("engine", "option"),
    [("docker", "--gpus=all"), ("podman", "--device=nvidia.com/gpu=all"), ("apptainer", "--nv")],
)
def test_gpus_are_asked_for_only_where_there_are_some(engine: str, option: str) -> None:
    assert option in wrapped(engine, gpu=True).split()
    assert option not in wrapped(engine).split()


def test_pyxis_is_a_matter_of_sruns_options() -> None:
    assert wrapped("pyxis") == " ".join(COMMAND)
    options = srun_options(launcher("pyxis"), code=CODE, mounts=[STORE, DATA])
    assert options == [
        "--container-image=suite",
        "--container-mounts=/store:/store,/data:/data,/code:/code:ro",
        "--container-workdir=/code",
    ]
    assert srun_options(launcher("apptainer"), code=CODE, mounts=[STORE]) == []


BUILD_SECONDS = 900
NEEDED_GIB = 25
"""The image, torch's wheels while they are installed, and the build's own copies."""


class Engine:
    """A podman of its own, and a base image from Debian packages in place of Docker Hub's."""

    BASE, IMAGE = "localhost/base", "localhost/radam"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "containers.conf").write_text(
            '[containers]\ndefault_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]\n'
            '[engine]\nruntime = "runc"\ncgroup_manager = "cgroupfs"\nevents_logger = "file"\n'
        )
        (folder / "storage.conf").write_text(
            f'[storage]\ndriver = "overlay"\n'
            f'graphroot = "{folder}/store"\nrunroot = "{folder}/run"\n'
        )
        self.environment = {
            "CONTAINERS_CONF": str(folder / "containers.conf"),
            "CONTAINERS_STORAGE_CONF": str(folder / "storage.conf"),
        }

    def __call__(self, *words: str | Path, timeout: float = 120) -> str:
        done = subprocess.run(
            [*map(str, words)],
            env={**os.environ, **self.environment},
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=timeout,
        )
        assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
        return done.stdout

    def make_base(self) -> None:
        """Debian's Python, and this machine's certificates so that pip trusts what it trusts."""
        archive, authorities = self.folder / "base.tar", "/etc/ssl/certs/ca-certificates.crt"
        packages = "python3,python3-dev,python3-venv,python3-pip,ca-certificates"
        self("mmdebstrap", "--quiet", "--variant=minbase", f"--include={packages}",
             "bookworm", archive, timeout=600)  # fmt: skip
        self(
            "podman", "import", "--change", f"ENV PIP_CERT={authorities}", archive, "localhost/raw"
        )
        shutil.copy(authorities, self.folder / "authorities")
        recipe = f"FROM localhost/raw\nCOPY authorities {authorities}\n"
        (self.folder / "Dockerfile").write_text(recipe)
        self("podman", "build", "--network=host", "--tag", self.BASE, self.folder)
        archive.unlink()

    def make_image(self) -> None:
        """The project's Dockerfile, on the stand-in."""
        base = f"--build-arg=BASE={self.BASE}"
        words = ["--network=host", "--pull=never", base, "--build-arg=COMMIT=0123456789ab"]
        self("podman", "build", *words, "--tag", self.IMAGE, ROOT, timeout=BUILD_SECONDS)

    def obstacle(self) -> str | None:
        """Why containers cannot be built and started here, if they cannot."""
        free = shutil.disk_usage(self.folder).free / 2**30
        if free < NEEDED_GIB:
            return f"{free:.0f} GiB free, needs {NEEDED_GIB}"
        pip = "python3 -m venv /tmp/v && /tmp/v/bin/pip download --no-deps --dest /tmp packaging"
        try:
            self.make_base()
            self("podman", "run", "--rm", "--network=host", self.BASE, "sh", "-c", pip)
        except (AssertionError, subprocess.TimeoutExpired) as error:
            return " ".join(str(error).split())[-300:]
        return None


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    if os.environ.get("RADAM_TEST_IMAGE") != "1":
        pytest.skip("builds an image of several GB: asked for by RADAM_TEST_IMAGE=1")
    missing = [p for p in ("podman", "runc", "mmdebstrap") if shutil.which(p) is None]
    if missing or os.getuid() != 0:
        pytest.skip(f"no engine to try: needs root and {', '.join(missing) or 'nothing else'}")
    made = Engine(tmp_path_factory.mktemp("engine"))
    if (obstacle := made.obstacle()) is not None:
        pytest.skip(f"no engine to try: {obstacle}")
    try:
        made.make_image()
    except subprocess.TimeoutExpired:
        pytest.skip(f"the image was not built within {BUILD_SECONDS / 60:.0f} minutes here")
    return made


@pytest.mark.slow
@pytest.mark.timeout(3000)
def test_the_image_carries_out_the_smoke_protocol_as_another_user(
    engine: Engine, tmp_path: Path
) -> None:
    for folder in ("runs", "data"):
        (tmp_path / folder).mkdir()
        os.chown(tmp_path / folder, 1000, 1000)
    mounts = [f"--volume={tmp_path / f}:/radam/{f}" for f in ("runs", "data")]
    words = ["protocol=smoke", "task.dataset=standin", "tracking=local"]
    inside = ["run", "--rm", "--network=none", *mounts, engine.IMAGE]
    engine("podman", *inside, "python", "-m", "experiments.train", *words)
    (found,) = (tmp_path / "runs").glob("cifar10/*/result.json")
    result = json.loads(found.read_text())
    assert result["status"] == "completed"
    assert result["commit"] == "0123456789ab"
    assert found.stat().st_uid == 1000
    assert engine("podman", *inside, "id", "-u").strip() == "1000"
    fairseq = "from radam.fairseq_plugin.compat import import_fairseq; import_fairseq()"
    engine("podman", *inside, "python", "-c", f"{fairseq}; import fairseq.libbleu")


@pytest.mark.slow
@pytest.mark.timeout(2400)
def test_a_sweep_in_containers_saves_when_asked_to_and_goes_on(
    engine: Engine, checkout: Checkout, store: Path
) -> None:
    grid = [
        *(*SMOKE, f"runner.runs_dir={store}", "protocol.epochs=1000", "launcher.jobs=1"),
        *("launcher.container=podman", f"launcher.image={engine.IMAGE}"),
        "launcher.container_options=['--network=none']",
    ]
    checkout.sweep("submit", *grid, **engine.environment)
    sweep = next((store / "sweeps").glob("cifar10-*"))
    wait_until(lambda: any(store.glob("cifar10/*/checkpoint-*.pt")), "the run is under way")
    process = supervisor(sweep)
    checkout.sweep("cancel", sweep)

    def status() -> str | None:
        found = list(store.glob("cifar10/*/result.json"))
        return json.loads(found[0].read_text())["status"] if found else None

    wait_until(lambda: not process.is_running(), "the supervisor has ended")
    assert status() == "interrupted"
    checkout.sweep("submit", *grid, **engine.environment)
    wait_until(lambda: status() == "completed", "the run is done")
