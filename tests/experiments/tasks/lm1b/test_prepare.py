"""The preparation of a text: exact, resumable, and never half taken for whole."""

import hashlib
import os
import signal
import subprocess
import sys
import tarfile
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.errors import UserError
from experiments.tasks.lm1b import published
from experiments.tasks.lm1b.corpus import Corpus, unfinished
from experiments.tasks.lm1b.data import open_corpus, resolve_text
from experiments.tasks.lm1b.encode import RawShard, _canonical, words_file
from experiments.tasks.lm1b.prepare import prepare
from experiments.tasks.lm1b.texts import TRAIN_TOKENS

ROOT = Path(__file__).resolve().parents[4]
PACK = ROOT.parent / "shared" / "data" / "lm-lm1b-test-and-standins.tar.xz"
needs_pack = pytest.mark.skipif(not PACK.exists(), reason="no ../shared/data beside the checkout")

FRUIT = b"the apple and the pear\nthe apple falls\nthe the apple pear\nthe apple pear pear\n"
TREES = b"the pear tree\nan apple tree and the apple\n"


@pytest.fixture
def raws(tmp_path: Path) -> list[RawShard]:
    folder = tmp_path / "text"
    folder.mkdir()
    shards = []
    for name, split, text in (("a", "train", FRUIT), ("b", "train", TREES), ("c", "test", TREES)):
        (folder / name).write_bytes(text)
        shards.append(RawShard(split, folder / name))
    return shards


def prepared(folder: Path, raws: list[RawShard], **options) -> Corpus:
    return prepare(folder, raws, text="t", dataset="standin", origin="a test", **options)


def vocabulary(corpus: Corpus) -> list[str]:
    return (corpus.folder / "vocabulary.txt").read_text().splitlines()


def text_of(corpus: Corpus, split: str, shard: int) -> str:
    words = vocabulary(corpus)
    return " ".join(words[token] for token in corpus.tokens(split, shard))


def test_vocabulary_is_what_counting_by_hand_gives(tmp_path, raws) -> None:
    corpus = prepared(tmp_path / "out", raws)
    counted = Counter((FRUIT + TREES).decode().replace("\n", " </S> ").split())
    kept = {word: n for word, n in counted.items() if n > 3}
    kept["<UNK>"] = sum(n for n in counted.values() if n <= 3)
    assert vocabulary(corpus) == sorted(kept, key=lambda word: (-kept[word], word))
    assert corpus.counts.tolist() == sorted(kept.values(), reverse=True)
    words = vocabulary(corpus)
    manifest = corpus.manifest
    assert (words[manifest.end_of_line], words[manifest.unknown]) == ("</S>", "<UNK>")
    assert manifest.words == len(words)


def test_tokens_spell_the_text_with_rare_words_unknown(tmp_path, raws) -> None:
    corpus = prepared(tmp_path / "out", raws)
    expected = "the pear <UNK> </S> <UNK> apple <UNK> <UNK> the apple </S>"
    assert text_of(corpus, "train", 1) == expected
    assert text_of(corpus, "test", 0) == expected
    assert corpus.size("train") == 20 + 11
    assert corpus.unknown_share("test") == pytest.approx(4 / 11)


def test_least_count_decides_what_is_unknown(tmp_path, raws) -> None:
    corpus = prepared(tmp_path / "out", raws, least_count=1)
    assert text_of(corpus, "train", 1) == "the pear tree </S> an apple tree and the apple </S>"
    assert corpus.unknown_share("train") == 0


def test_several_processes_give_the_same_bytes(tmp_path, raws) -> None:
    alone, together = prepared(tmp_path / "1", raws), prepared(tmp_path / "2", raws, jobs=2)
    files = sorted(path.name for path in alone.folder.iterdir())
    assert files == sorted(path.name for path in together.folder.iterdir())
    for name in files:
        assert (alone.folder / name).read_bytes() == (together.folder / name).read_bytes(), name


@given(
    st.lists(
        st.lists(st.sampled_from(["a", "bb", "é", "日本", "don 't", "</S>"]), max_size=5).map(
            " ".join
        ),
        max_size=6,
    ),
    st.sampled_from(["\n", " \n", "\n\n", "\r\n", "\t\n ", "  \n"]),
    st.booleans(),
)
def test_odd_blanks_and_lines_do_not_matter(lines: list[str], between: str, last: bool) -> None:
    odd = between.join(lines) + ("\n" if last else "")
    plain = "".join(f"{' '.join(line.split())}\n" for line in lines if line.split())
    assert _canonical(odd.encode()) == plain.encode()


def test_blocks_are_cut_at_lines_and_give_the_same_tokens(tmp_path, raws, monkeypatch) -> None:
    whole = prepared(tmp_path / "whole", raws)
    monkeypatch.setattr("experiments.tasks.lm1b.encode.BLOCK", 7)
    cut = prepared(tmp_path / "cut", raws)
    for shard in (0, 1):
        assert (whole.tokens("train", shard) == cut.tokens("train", shard)).all()


def test_parquet_gives_the_tokens_of_the_text(tmp_path, raws) -> None:
    lines = FRUIT.decode().splitlines()
    pq.write_table(pa.table({"text": lines}), tmp_path / "a.parquet")
    parquet = [RawShard("train", tmp_path / "a.parquet"), *raws[1:]]
    found, expected = prepared(tmp_path / "p", parquet), prepared(tmp_path / "t", raws)
    assert text_of(found, "train", 0) == text_of(expected, "train", 0)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "empty"),
        (b"\n \n\n", "empty"),
        (b"fine\n\xff\xfe", "not UTF-8 at byte 5"),
        (None, "missing"),
    ],
)
def test_a_bad_shard_is_named_and_costs_the_others_nothing(
    tmp_path, raws, content: bytes | None, complaint: str
) -> None:
    bad = raws[1].path
    bad.unlink() if content is None else bad.write_bytes(content)
    folder = tmp_path / "out"
    with pytest.raises(UserError, match=f"{bad}: {complaint}"):
        prepared(folder, raws)
    assert not folder.exists()
    with pytest.raises(UserError, match="did not come to its end"):
        Corpus(folder)
    bad.write_bytes(TREES)
    seen: list[tuple[str, int]] = []
    corpus = prepared(folder, raws, report=lambda stage, done, _: seen.append((stage, done)))
    assert seen[0] == ("reading", 1)  # the good shard before it was not read again
    assert text_of(corpus, "train", 0).startswith("the apple <UNK> the pear </S>")


def test_a_bad_shard_is_named_by_a_process_of_several(tmp_path, raws) -> None:
    raws[1].path.write_bytes(b"\xff\n")
    with pytest.raises(UserError, match=f"{raws[1].path}: not UTF-8"):
        prepared(tmp_path / "out", raws, jobs=2)


def test_a_shard_with_another_checksum_is_named(tmp_path, raws) -> None:
    good = hashlib.md5(FRUIT).hexdigest()
    prepared(tmp_path / "good", [RawShard("train", raws[0].path, good), raws[2]])
    with pytest.raises(UserError, match=f"{raws[0].path} is damaged: md5 {good}, published 0000"):
        prepared(tmp_path / "bad", [RawShard("train", raws[0].path, "0000"), raws[2]])


def test_a_text_that_changed_between_two_attempts_is_read_again(tmp_path, raws) -> None:
    folder, bad = tmp_path / "out", raws[2].path
    bad.unlink()
    with pytest.raises(UserError):
        prepared(folder, raws)
    raws[0].path.write_bytes(b"new words\n")
    later = time.time() + 10
    os.utime(raws[0].path, (later, later))
    bad.write_bytes(TREES)
    corpus = prepared(folder, raws, least_count=4)
    assert text_of(corpus, "train", 0) == "<UNK> <UNK> </S>"


def test_another_least_count_begins_anew(tmp_path, raws) -> None:
    folder, last = tmp_path / "out", raws[2].path
    last.unlink()
    with pytest.raises(UserError):
        prepared(folder, raws, least_count=1)
    last.write_bytes(TREES)
    assert prepared(folder, raws, least_count=4).manifest.least_count == 4


def test_killed_and_started_again_ends_the_same(tmp_path) -> None:
    folder = tmp_path / "text"
    folder.mkdir()
    generator, raws = np.random.default_rng(0), []
    for number in range(6):
        words = generator.integers(0, 20_000, 300_000).astype(str)
        lines = (" ".join(words[i : i + 20]) for i in range(0, len(words), 20))
        (folder / f"{number}").write_text("\n".join(lines) + "\n")
        raws.append(RawShard("test" if number == 5 else "train", folder / f"{number}"))
    out = tmp_path / "killed"
    script = (
        "from pathlib import Path\n"
        "from experiments.tasks.lm1b.encode import RawShard\n"
        "from experiments.tasks.lm1b.prepare import prepare\n"
        f"raws = [RawShard('test' if n == 5 else 'train', Path({str(folder)!r}) / str(n))"
        " for n in range(6)]\n"
        f"prepare(Path({str(out)!r}), raws, text='t', dataset='standin', origin='a test')\n"
    )
    process = subprocess.Popen([sys.executable, "-c", script], cwd=ROOT)
    third = words_file(raws[2], unfinished(out))
    while not third.exists() and process.poll() is None:
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert unfinished(out).exists()
    assert not out.exists()
    resumed, straight = prepared(out, raws), prepared(tmp_path / "straight", raws)
    assert resumed.manifest == straight.manifest
    for shard in range(5):
        assert (resumed.tokens("train", shard) == straight.tokens("train", shard)).all()


@pytest.mark.parametrize("harm", ["cut", "flip", "remove", "manifest"])
def test_a_damaged_preparation_is_named(tmp_path, raws, harm: str) -> None:
    corpus = prepared(tmp_path / "out", raws)
    name = "corpus.json" if harm == "manifest" else "train-b.npy"
    path = corpus.folder / name
    content = path.read_bytes()
    if harm == "remove":
        path.unlink()
    elif harm == "flip":
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    else:
        path.write_bytes(content[:-4])
    with pytest.raises(UserError, match=f"{path} is damaged"):
        Corpus(corpus.folder).tokens("train", 1)


def test_missing_official_shards_are_named(tmp_path) -> None:
    folder = tmp_path / published.FOLDERS[0] / "training-monolingual.tokenized.shuffled"
    folder.mkdir(parents=True)
    (folder / "news.en-00001-of-00100").write_text("some text\n")
    with pytest.raises(UserError, match=r"148 of .* 149 shards are missing: .*news\.en-00002-of"):
        published.find(tmp_path)


def test_held_out_shards_alone_are_no_training_text(tmp_path) -> None:
    folder = tmp_path / published.FOLDERS[0] / "heldout-monolingual.tokenized.shuffled"
    folder.mkdir(parents=True)
    (folder / "news.en.heldout-00000-of-00050").write_text("some text\n")
    assert published.find(tmp_path) is None
    assert not published.present(tmp_path)
    assert published.held_out_shard(tmp_path).path.parent == folder


def test_archive_is_unpacked_and_a_damaged_one_keeps_what_came_out(tmp_path) -> None:
    names = list(published.checksums())[:3]
    top = published.FOLDERS[1]
    for name in names:
        (tmp_path / "tree" / top / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "tree" / top / name).write_bytes(os.urandom(300_000))
    archive = tmp_path / published.ARCHIVE
    with tarfile.open(archive, "w:gz") as packed:
        packed.add(tmp_path / "tree" / top, arcname=top)
    content = archive.read_bytes()
    archive.write_bytes(content[: len(content) // 2])
    with pytest.raises(UserError, match=r"cannot be unpacked .*are kept"):
        published.find(tmp_path)
    kept = [name for name in names if (tmp_path / top / name).exists()]
    assert 0 < len(kept) < 3
    archive.write_bytes(content)
    seen: list[str] = []
    with pytest.raises(UserError, match="146 of One Billion Word's 149 shards are missing"):
        published.find(tmp_path, unpacking=seen.append)
    assert seen == [name for name in names if name not in kept]
    for name in names:
        assert (tmp_path / top / name).read_bytes() == (tmp_path / "tree" / top / name).read_bytes()


def test_an_incomplete_parquet_copy_is_refused(tmp_path) -> None:
    for split in ("train", "test"):
        folder = tmp_path / published.HUB_FOLDER / split
        folder.mkdir(parents=True)
        pq.write_table(pa.table({"text": ["a line"]}), folder / "0000.parquet")
    with pytest.raises(UserError, match="hold 1 lines, One Billion Word has 30,301,028"):
        published.find(tmp_path)


def test_real_text_that_is_there_but_not_prepared_is_no_reason_for_the_standin(tmp_path) -> None:
    (tmp_path / published.ARCHIVE).write_bytes(b"an archive")
    with pytest.raises(UserError, match="not prepared"):
        resolve_text("auto", "pydoc", tmp_path, 4)
    assert resolve_text("standin", "pydoc", tmp_path, 4).dataset == "standin"


def test_absent_real_text_gives_the_standin_or_an_error(tmp_path) -> None:
    found = resolve_text("auto", "pydoc", tmp_path, 4)
    assert found.dataset == "standin"
    assert "STAND-IN" in found.reason
    with pytest.raises(UserError, match="One Billion Word is not in"):
        resolve_text("real", "pydoc", tmp_path, 4)
    with pytest.raises(UserError, match=r"train\.txt and .* not found"):
        resolve_text("auto", "europarlmin", tmp_path, 4)


def test_pydoc_is_prose_in_two_parts_that_share_no_paragraph(tmp_path) -> None:
    corpus = open_corpus(tmp_path, "pydoc", 4)
    assert corpus.manifest.dataset == "standin"
    assert 50_000 < corpus.size("train") < 200_000
    assert len(corpus.manifest.splits["train"]) == 8
    assert 0.05 < corpus.size("test") / corpus.size("train") < 0.2
    assert corpus.unknown_share("test") < 0.1
    assert open_corpus(tmp_path, "pydoc", 4).manifest == corpus.manifest


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shared pack as ``unpack.py`` lays it out, the debates cut to their dev part."""
    folder = tmp_path_factory.mktemp("pack")
    with tarfile.open(PACK) as archive:
        archive.extractall(folder, filter="data")
    dev = folder / "lm" / "europarlmin" / "dev.txt"
    (dev.parent / "train.txt").write_bytes(dev.read_bytes())
    (folder / published.FOLDERS[0]).symlink_to(folder / "lm" / "lm1b")
    return folder


@needs_pack
def test_checksums_are_the_official_ones(pack: Path) -> None:
    lines = (pack / "lm" / "lm1b" / "md5sums.official.txt").read_text().splitlines()
    official = {name: md5 for md5, name in (line.split() for line in lines)}
    ours = published.checksums()
    assert len(ours) == 149
    assert ours.items() <= official.items()


@needs_pack
def test_the_benchmarks_test_shard_has_its_published_numbers(pack: Path, tmp_path) -> None:
    shard = published.held_out_shard(pack)
    corpus = prepared(tmp_path / "out", [RawShard("train", shard.path, shard.md5), shard])
    tokens = corpus.tokens("test", 0)
    lines = int((tokens == corpus.manifest.end_of_line).sum())
    assert (len(tokens), lines, len(tokens) - lines) == (159_658, 6_075, 153_583)


@needs_pack
def test_the_vocabulary_of_the_full_corpus_has_the_size_we_say(pack: Path) -> None:
    counts = np.load(pack / "lm" / "lm1b" / "extra" / "word_freq.npz")["counts"].astype(np.int64)
    sentences = published.LINES["train"]
    assert len(counts) == 793_471
    assert (counts == sentences).sum() == 2  # <S>, which we do not have, and </S>
    assert (counts > 3).sum() == published.WORDS
    assert counts.sum() - sentences == TRAIN_TOKENS


@needs_pack
def test_europarlmin_is_tested_on_the_benchmarks_own_shard(pack: Path) -> None:
    corpus = open_corpus(pack, "europarlmin", 4)
    assert corpus.manifest.dataset == "standin"
    assert "not One Billion Word" in corpus.manifest.origin
    assert corpus.size("test") == 159_658
    assert list(corpus.manifest.splits) == ["train", "test"]
    assert resolve_text("auto", "europarlmin", pack, 4).dataset == "standin"
