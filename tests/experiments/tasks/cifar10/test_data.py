"""CIFAR-10 from every layout, what is refused, and the stand-in."""

import gzip
import hashlib
import http.server
import io
import pickle
import subprocess
import sys
import tarfile
import threading
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from experiments.errors import UserError
from experiments.tasks.cifar10 import data as cifar10
from experiments.tasks.cifar10.cache import cached
from experiments.tasks.cifar10.data import DataNotFound, load_cifar10, resolve_dataset
from experiments.tasks.cifar10.published import BATCHES, Rows

SHARED = Path(__file__).parents[4].parent / "shared" / "data"
needs_shared = pytest.mark.skipif(
    not (SHARED / "cifar10").is_dir(), reason="no ../shared/data/cifar10 beside the checkout"
)


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    """Send every request to a port where nobody listens."""
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@pytest.fixture(scope="module")
def module_cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def cache(monkeypatch, module_cache):
    """Keep what is decoded in a folder of this module, not in the person's."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(module_cache))
    return module_cache / "radam"


@pytest.fixture(scope="module")
def rebuilt(tmp_path_factory):
    """The published pickles, byte for byte, as the shared folder's own script makes them."""
    folder = tmp_path_factory.mktemp("rebuilt")
    script = SHARED / "cifar10" / "rebuild_cifar10.py"
    subprocess.run([sys.executable, script, folder], check=True, stdout=subprocess.DEVNULL)
    return folder


def assert_same(one, other):
    assert torch.equal(one.train.pixels, other.train.pixels)
    assert torch.equal(one.train.labels, other.train.labels)
    assert torch.equal(one.test.pixels, other.test.pixels)
    assert torch.equal(one.test.labels, other.test.labels)


def write_parquet(file: Path, images: list[bytes], labels: list[int]) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    img = [{"bytes": image, "path": None} for image in images]
    pq.write_table(pa.table({"img": img, "label": labels}), file)
    return file


def encode(pixels: np.ndarray, kind: str = "png") -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, kind, compress_level=1)
    return stream.getvalue()


def sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


# Real data


@needs_shared
@pytest.mark.slow
def test_parquet_is_read_checked_and_kept(cache):
    first = load_cifar10(SHARED, dataset="real", download=False)
    for images, n in ((first.train, 50_000), (first.test, 10_000)):
        assert images.pixels.shape == (n, 3, 32, 32)
        assert images.pixels.dtype == torch.uint8
        assert images.pixels.is_contiguous()
        assert images.labels.dtype == torch.int64
        assert images.labels.bincount().tolist() == [n // 10] * 10
        assert len(images) == n
    assert first.train.labels[:5].tolist() == [6, 9, 9, 4, 1]  # frog, truck, truck, deer, car
    assert first.dataset == "real"
    assert first.classes == 10
    assert "RADAM_DATA/cifar10/plain_text" in first.origin
    assert str(SHARED) not in first.origin
    scaled = first.train.pixels.double() / 255
    torch.testing.assert_close(
        scaled.mean(dim=(0, 2, 3)), torch.tensor(first.mean).double(), atol=1e-3, rtol=0
    )

    (kept,) = cache.iterdir()
    assert_same(load_cifar10(SHARED, dataset="real", download=False), first)
    content = bytearray(kept.read_bytes())
    content[1_000_000] ^= 1
    kept.write_bytes(content)
    assert_same(load_cifar10(SHARED, dataset="real", download=False), first)
    assert kept.read_bytes() != bytes(content)  # mended, too


@needs_shared
@pytest.mark.slow
def test_pickles_archive_and_upstream_parquet_hold_the_same(rebuilt, tmp_path):
    reference = load_cifar10(rebuilt, dataset="real", download=False)
    assert_same(load_cifar10(SHARED, dataset="real", download=False), reference)

    archived = tmp_path / "archived"
    archived.mkdir()
    with (
        gzip.open(archived / "cifar-10-python.tar.gz", "wb", compresslevel=1) as stream,
        tarfile.open(fileobj=stream, mode="w") as members,
    ):
        members.add(rebuilt / "cifar-10-batches-py", "cifar-10-batches-py")
    assert_same(load_cifar10(archived, dataset="real", download=False), reference)

    # Hugging Face's own files: PNG, one file a split, batches in the order of the archive.
    upstream = tmp_path / "upstream"
    order = np.concatenate([np.arange(10_000) + 10_000 * (batch - 1) for batch in (4, 3, 2, 5, 1)])
    for split, images, rows in (
        ("train", reference.train, order),
        ("test", reference.test, np.arange(10_000)),
    ):
        pixels = images.pixels.permute(0, 2, 3, 1).numpy()
        write_parquet(
            upstream / "plain_text" / f"{split}-00000-of-00001.parquet",
            [encode(pixels[row]) for row in rows],
            images.labels[rows].tolist(),
        )
    assert_same(load_cifar10(upstream, dataset="real", download=False), reference)


@needs_shared
@pytest.mark.slow
def test_one_wrong_bit_in_a_pickle_is_named(rebuilt, tmp_path):
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    for batch in BATCHES:
        (folder / batch.name).symlink_to(rebuilt / "cifar-10-batches-py" / batch.name)
    wrong = folder / "test_batch"
    content = bytearray(wrong.read_bytes())
    content[5_000_000] ^= 1
    wrong.unlink()
    wrong.write_bytes(content)
    with pytest.raises(UserError) as error:
        load_cifar10(tmp_path, dataset="real")
    assert str(wrong) in str(error.value)
    assert "40351d587109b95175f43aff81a1287e" in str(error.value)
    assert hashlib.md5(content).hexdigest() in str(error.value)


# Files that are refused


class Payload:
    """Unpickled, it makes a file."""

    def __init__(self, trace: Path):
        self.trace = trace

    def __reduce__(self):
        return Path.touch, (self.trace,)


def test_a_pickle_of_unknown_checksum_is_never_unpickled(tmp_path):
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    trace = tmp_path / "was unpickled"
    content = pickle.dumps(Payload(trace))
    pickle.loads(content)
    assert trace.exists()
    trace.unlink()
    for batch in BATCHES:
        (folder / batch.name).write_bytes(content)
    with pytest.raises(UserError) as error:
        load_cifar10(tmp_path, dataset="real")
    assert not trace.exists()
    assert str(folder / "data_batch_1") in str(error.value)
    assert "c99cafc152244af753f735de768cd75f" in str(error.value)
    assert hashlib.md5(content).hexdigest() in str(error.value)


def test_a_missing_batch_is_named(tmp_path):
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    with pytest.raises(UserError, match="data_batch_1 is missing"):
        load_cifar10(tmp_path, dataset="real")


@pytest.mark.parametrize("whole", [False, True], ids=["truncated", "without the batches"])
def test_a_wrong_archive_is_named(tmp_path, whole):
    archive = tmp_path / "cifar-10-python.tar.gz"
    other = tmp_path / "other"
    other.write_bytes(np.random.default_rng(0).bytes(100_000))
    with tarfile.open(archive, "w:gz") as members:
        members.add(other, "cifar-10-batches-py/readme.html")
    if not whole:
        archive.write_bytes(archive.read_bytes()[:50_000])
    with pytest.raises(UserError) as error:
        load_cifar10(tmp_path, dataset="real")
    assert str(archive) in str(error.value)
    assert "c58f30108f718f92721af3b95e74349a" in str(error.value)
    assert hashlib.md5(archive.read_bytes()).hexdigest() in str(error.value)


def test_a_truncated_parquet_file_is_named(tmp_path):
    grey = encode(np.full((32, 32, 3), 128, np.uint8))
    file = write_parquet(
        tmp_path / "cifar10" / "plain_text" / "train-00000-of-00002.parquet", [grey] * 20, [0] * 20
    )
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(UserError) as error:
        load_cifar10(tmp_path, dataset="real")
    assert str(file) in str(error.value)
    assert "abf5a384dfc8af6f495e4c1dab23ffd18d7af899df6b55cc1d76a398b2d9e3a0" in str(error.value)
    assert sha256(file) in str(error.value)


def test_a_missing_parquet_file_is_said(tmp_path):
    grey = encode(np.full((32, 32, 3), 128, np.uint8))
    file = write_parquet(tmp_path / "train-00000-of-00002.parquet", [grey] * 20, [0] * 20)
    with pytest.raises(UserError, match="20 of the 50,000 images") as error:
        load_cifar10(tmp_path, dataset="real")
    assert str(file) in str(error.value)


@pytest.mark.slow
def test_other_images_of_the_right_number_are_refused(tmp_path, cache):
    grey = encode(np.full((32, 32, 3), 128, np.uint8))
    for name, n in (
        ("train-00000-of-00002", 25_000),
        ("train-00001-of-00002", 25_000),
        ("test-00000-of-00001", 10_000),
    ):
        write_parquet(tmp_path / f"{name}.parquet", [grey] * n, [0] * n)
    before = set(cache.glob("*"))
    with pytest.raises(UserError) as error:
        load_cifar10(tmp_path, dataset="real")
    assert str(tmp_path / "train-00000-of-00002.parquet") in str(error.value)
    assert BATCHES[0].sha256 in str(error.value)
    pixels = np.full((10_000, 3, 32, 32), 128, np.uint8)
    found = hashlib.sha256(pixels.tobytes() + bytes(10_000)).hexdigest()
    assert found in str(error.value)
    assert set(cache.glob("*")) == before


def test_damaged_data_are_no_reason_to_take_the_standin(tmp_path):
    (tmp_path / "cifar-10-batches-py").mkdir()
    assert resolve_dataset("auto", tmp_path).dataset == "real"
    with pytest.raises(UserError) as error:
        load_cifar10(tmp_path, dataset="real")
    assert not isinstance(error.value, DataNotFound)


# The cache


def test_rows_that_are_not_the_published_ones_are_never_taken_from_the_cache(tmp_path):
    source = tmp_path / "source"
    source.write_text("anything")
    made = []

    def decode() -> Rows:
        made.append(Rows(np.zeros((60_000, 3, 32, 32), np.uint8), np.zeros(60_000, np.uint8)))
        return made[-1]

    assert cached([source], decode) is made[0]
    assert cached([source], decode) is made[1]


def test_a_cache_that_cannot_be_written_costs_only_time(tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    (tmp_path / "file").write_text("not a folder")
    rows = Rows(np.zeros((10, 3, 32, 32), np.uint8), np.zeros(10, np.uint8))
    assert cached([tmp_path / "file"], lambda: rows) is rows
    assert "decoded each time" in caplog.text


# Neither data nor network


def test_nothing_found_is_one_clear_paragraph(tmp_path):
    folder = tmp_path / "data"
    with pytest.raises(DataNotFound) as error:
        load_cifar10(folder, dataset="real")
    message = str(error.value)
    assert "\n" not in message
    for part in (str(folder), "cifar-10-batches-py", cifar10.URL, "RADAM_DATA", "DATASET=standin"):
        assert part in message
    assert not folder.exists()


def test_auto_takes_the_standin_only_then_and_says_why(tmp_path):
    resolved = resolve_dataset("auto", tmp_path)
    assert resolved.dataset == "standin"
    assert str(tmp_path) in resolved.reason
    assert "could not be downloaded" in resolved.reason
    with pytest.raises(DataNotFound):
        resolve_dataset("real", tmp_path)
    with pytest.raises(DataNotFound, match="switched off"):
        resolve_dataset("real", tmp_path, download=False)


def test_asked_for_the_standin_nothing_is_looked_for(tmp_path):
    (tmp_path / "cifar-10-batches-py").mkdir()
    assert resolve_dataset("standin", tmp_path).dataset == "standin"


@pytest.mark.parametrize("declared", [100_000, 50_000], ids=["broken off", "another file"])
def test_a_broken_download_leaves_nothing(tmp_path, monkeypatch, declared):
    class Server(http.server.BaseHTTPRequestHandler):
        def do_HEAD(self):
            self.send_response(200)
            self.send_header("Content-Length", str(declared))
            self.end_headers()

        def do_GET(self):
            self.do_HEAD()
            self.wfile.write(bytes(50_000))

        def log_message(self, *args):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_address[1]}/cifar-10-python.tar.gz"
        monkeypatch.setattr(cifar10, "URL", url)
        with pytest.raises(DataNotFound) as error:
            load_cifar10(tmp_path, dataset="real")
        server.shutdown()
    assert "c58f30108f718f92721af3b95e74349a" in str(error.value)
    assert hashlib.md5(bytes(50_000)).hexdigest() in str(error.value)
    assert list(tmp_path.iterdir()) == []


# The stand-in


def test_the_standin_is_the_same_bytes_everywhere():
    data = load_cifar10(Path("nowhere"), dataset="standin")
    digest = hashlib.sha256()
    for images in (data.train, data.test):
        digest.update(images.pixels.numpy())
        digest.update(images.labels.numpy())
    assert digest.hexdigest() == (
        "e5b77ed5953fafc085db85bc02209c6d5165fc5a0dba2a124deb62f4dc3004a8"
    )


def test_the_standin_says_what_it_is_and_has_cifars_shape():
    data = load_cifar10(Path("nowhere"), dataset="standin")
    assert data.dataset == "standin"
    assert "STAND-IN" in data.origin
    assert len(data.train) + len(data.test) == 1797
    for images in (data.train, data.test):
        assert images.pixels.shape == (len(images), 3, 32, 32)
        assert images.pixels.dtype == torch.uint8
        assert images.pixels.is_contiguous()
        assert images.labels.dtype == torch.int64
        shares = images.labels.bincount() / len(images)
        assert shares.sub(0.1).abs().max() < 0.01
    assert data.train.pixels.min() == 0
    assert data.train.pixels.max() == 255
    inputs = (data.train.pixels.double() / 255 - data.mean[0]) / data.std[0]
    assert inputs.mean().abs() < 1e-9
    assert (inputs.std(correction=0) - 1).abs() < 1e-9
