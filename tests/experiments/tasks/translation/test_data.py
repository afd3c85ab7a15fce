"""From parallel text to fairseq's files: right, whole, resumable; what is wrong is named."""

import dataclasses
import io
import shutil
import tarfile
from pathlib import Path

import pytest

from experiments.errors import UserError
from experiments.tasks.translation import bpe, iwslt14, moses, standin, wmt16
from experiments.tasks.translation import data as translation
from experiments.tasks.translation.corpus import Part
from experiments.tasks.translation.data import prepare

WORDS = ["der", "die", "das", "haus", "baum", "geht", "steht", "im", "am", "rot"]


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


def write(folder, name, lines):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text("".join(f"{line}\n" for line in lines))


def sentence(i):
    """No two are alike."""
    rest = [WORDS[(i * k) % len(WORDS)] for k in range(1, 3 + i % 5)]
    return " ".join([WORDS[i // 10], WORDS[i % 10], *rest])


@pytest.fixture
def folder(tmp_path):
    """The prepared folder's layout in small, with codes learned on it."""
    folder = tmp_path / "data" / iwslt14.FOLDER
    numbers = {"train": range(60), "valid": range(60, 66), "test": range(66, 72)}
    text = {split: [sentence(i) for i in chosen] for split, chosen in numbers.items()}
    codes = bpe.learn([line for lines in text.values() for line in lines], 12)
    encode = bpe.encoder(codes)
    for split, lines in text.items():
        write(folder, f"{split}.de", map(encode, lines))
        write(folder, f"{split}.en", (encode(" ".join(line.split()[::-1])) for line in lines))
    (folder / "code").write_text(codes)
    return folder


def found(folder, merges=None):
    return prepare(iwslt14.find(folder.parent), merges)


def stored(prepared, split, language):
    """What fairseq reads from a split, as text; all shards."""
    from radam.fairseq_plugin.compat import import_fairseq

    import_fairseq()
    from fairseq.tasks.translation import TranslationTask

    from experiments.tasks.translation.batches import _shards

    dictionary = TranslationTask.load_dictionary(str(prepared.folder / f"dict.{language}.txt"))
    sentences = _shards(prepared, split, language, dictionary)
    return [dictionary.string(sentences[i]) for i in range(len(sentences))]


# What is wrong is named.


@pytest.mark.parametrize(
    ("break_it", "told"),
    [
        (lambda f: (f / "train.en").unlink(), r"train\.en: missing; .*train\.de"),
        (lambda f: write(f, "valid.de", ["ja"]), r"valid\.de: ends after line 1, but .*valid\.en"),
        (lambda f: write(f, "test.en", ["ja", " ", "ja", "ja", "ja", "ja"]),
         r"test\.en, line 2: empty"),
        (lambda f: (f / "valid.en").write_bytes(b"yes\nn\xf6\n"),
         r"valid\.en, line 2: not UTF-8 at byte 2"),
        (lambda f: (f / "code").unlink(), "code: missing"),
        (lambda f: (f / "code").write_text("#version: 0.2\na b\nabc\n"), "code, line 3"),
        (lambda f: [write(f, f"dict.{la}.txt", ["das 3", "haus 2"]) for la in ("de", "en")],
         r"dict\.de\.txt: does not match the data: '.+' of train\.de, line 1,"),
        (lambda f: [write(f, f"dict.{la}.txt", ["das 3", "das 2"]) for la in ("de", "en")],
         r"dict\.de\.txt, line 2: 'das' stands there a second time"),
        (lambda f: [write(f, f"dict.{la}.txt", ["das 3", "haus"]) for la in ("de", "en")],
         r"dict\.de\.txt, line 2: not a word and its count"),
        (lambda f: [write(f, f"dict.{la}.txt", ["\ufeffdas 3"]) for la in ("de", "en")],
         r"dict\.de\.txt, line 1: not a word and its count"),
        (lambda f: [write(f, f"train.{la}", []) for la in ("de", "en")], "no pairs for train"),
        (lambda f: write(f, "valid.en", ["ja"] * 2 + ["j\ra"] + ["ja"] * 3),
         r"valid\.en, line 3: a carriage return within"),
    ],
    ids=["side", "lengths", "empty", "utf-8", "no-code", "code", "dictionary", "word-twice",
         "no-count", "mark", "no-text", "carriage-return"],
)  # fmt: skip
def test_text_that_will_not_do_is_named_and_nothing_is_left(folder, cache, break_it, told):
    break_it(folder)
    with pytest.raises(UserError, match=told):
        found(folder)
    assert not list(cache.rglob("manifest.json"))
    assert not [path for path in cache.rglob("iwslt14-*") if path.suffix == ""]


def test_more_merges_than_there_are_are_refused(folder):
    with pytest.raises(UserError, match="has 12 merges, not 13"):
        found(folder, merges=13)


def test_a_damaged_archive_is_named(tmp_path):
    (tmp_path / iwslt14.ARCHIVE).write_bytes(b"not an archive")
    with pytest.raises(UserError, match=r"de-en\.tgz: damaged archive"):
        prepare(iwslt14.find(tmp_path))


def test_a_damaged_prepared_file_is_named(folder):
    path = found(folder).folder / "dict.de.txt"
    path.write_text(path.read_text() + "x 1\n")
    with pytest.raises(UserError, match=r"dict\.de\.txt: sha256 .*, expected .*; remove"):
        found(folder)


# What is right comes out as it is.


def test_the_prepared_folder_comes_back_piece_by_piece(folder):
    prepared = found(folder)
    for split in ("train", "valid", "test"):
        for language in ("de", "en"):
            lines = (folder / f"{split}.{language}").read_text().splitlines()
            assert stored(prepared, split, language) == lines
    lines = (folder / "test.de").read_text().splitlines()
    assert prepared.text("test", "de") == [bpe.undo(line) for line in lines]
    itself = "another text (valid has 6 pairs, not 7,283), laid out as IWSLT'14 De-En"
    assert prepared.origin.startswith(f"{itself}: 60 training pairs, ")


def test_the_origin_says_whose_merges_and_dictionaries_they_are(folder):
    """Those of the whole training set make a part of it read as the whole would."""
    counted = "10,000 BPE merges as published with the text, dictionaries counted on these pairs"
    assert found(folder).origin.endswith(counted)
    for language in ("de", "en"):
        shutil.copy(found(folder).folder / f"dict.{language}.txt", folder)
        with (folder / f"dict.{language}.txt").open("a") as file:
            file.write("elsewhere 1\n")
    prepared = found(folder)
    assert prepared.origin.endswith("10,000 BPE merges and dictionaries as published with the text")
    assert (prepared.folder / "dict.de.txt").read_text().endswith("elsewhere 1\n")
    assert "3 BPE merges" in found(folder, merges=3).origin
    assert "counted on these pairs" in found(folder, merges=3).origin


def test_fewer_merges_make_shorter_pieces(folder):
    few, all_of_them = found(folder, merges=3), found(folder)
    assert (few.folder / "code").read_text().count("\n") == 4
    pieces = [sum(map(len, map(str.split, stored(p, "train", "de")))) for p in (few, all_of_them)]
    assert pieces[0] > pieces[1]


def test_shards_are_one_split(folder, monkeypatch):
    monkeypatch.setattr(translation, "PAIRS_A_SHARD", 25)
    prepared = found(folder)
    assert (prepared.folder / "train2.de-en.de.idx").is_file()
    assert stored(prepared, "train", "de") == (folder / "train.de").read_text().splitlines()


def test_a_stopped_preparation_goes_on_where_it_was(folder):
    source = iwslt14.find(folder.parent)

    def stop(line):
        if "dictionaries" in line:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare(source, None, stop)

    def unread(work):  # the text was written before the stop and must not be read again
        corpus = source.read(work)
        gone = {split: (Part([("x", "y")], _refuse),) for split in corpus.splits}
        return dataclasses.replace(corpus, splits=gone)

    prepared = prepare(dataclasses.replace(source, read=unread))
    assert stored(prepared, "train", "en") == (folder / "train.en").read_text().splitlines()


def _refuse(pair):
    raise AssertionError(pair)


def test_a_packed_folder_is_the_folder(folder, tmp_path):
    packed = tmp_path / "packed"
    packed.mkdir()
    with tarfile.open(packed / f"{iwslt14.FOLDER}.tar.xz", "w:xz") as archive:
        archive.add(folder, iwslt14.FOLDER)
    prepared = prepare(iwslt14.find(packed))
    assert stored(prepared, "train", "de") == (folder / "train.de").read_text().splitlines()


# IWSLT'14's archive and WMT'16's text.


def archive(path, files):
    with tarfile.open(path, "w:gz") as file:
        for name, text in files.items():
            member = tarfile.TarInfo(f"de-en/{name}")
            member.size = len(text.encode())
            file.addfile(member, io.BytesIO(text.encode()))


def test_the_archive_is_prepared_as_fairseqs_script_does(tmp_path):
    talks = [f"Das ist Satz {i}, er sagt: gut." for i in range(50)]
    english = [f"This is line {i}, it's good." for i in range(50)]
    english[7] = "A much longer line that says far more than its other side ever did , or could ."
    files = {}
    for language, lines in (("de", talks), ("en", english)):
        tags = "<url>http://x</url>\n<keywords>k</keywords>\n<talkid>1</talkid>\n"
        title = f"<title>{lines[0]}</title>\n"
        files[f"train.tags.de-en.{language}"] = tags + title + "\n".join(lines[1:]) + "\n"
        for n, name in enumerate(iwslt14.HELD_OUT):
            segment = f'<doc>\n<seg id="1"> Held OUT {n} ’ </seg>\n</doc>\n'
            files[f"IWSLT14.{name}.de-en.{language}.xml"] = segment
    archive(tmp_path / iwslt14.ARCHIVE, files)
    source = iwslt14.find(tmp_path)
    corpus = source.read(tmp_path / "work")
    text = {
        split: list(translation._text(parts, tmp_path / "dropped"))
        for split, parts in corpus.splits.items()
    }
    kept = [i for i in range(50) if i != 7]
    german = [f"das ist satz {i} , er sagt : gut ." for i in kept]
    assert [pair[0] for pair in text["valid"]] == german[22::23]
    assert [pair[0] for pair in text["train"]] == [x for x in german if x not in german[22::23]]
    assert text["train"][0][1] == "this is line 0 , it &apos;s good ."
    assert [pair[1] for pair in text["test"]] == [f"held out {n} &apos;" for n in range(5)]
    assert "20 BPE merges learned on these pairs" in prepare(source, merges=20).origin


def test_wmt_is_cleaned_joined_and_has_two_test_sets(tmp_path):
    folder = tmp_path / wmt16.FOLDER
    english = ["A well-known fact &quot;indeed&quot; .", "", "Yes .", "Go home ."]
    english += [f"Go home {i} ." for i in range(7)] + ["Go home ."]
    german = ["Eine wohl-bekannte Tatsache .", "Leer .", "Ja ja ja ja ja .", "Geh heim ."]
    german += [f"Geh heim {i} ." for i in range(7)] + ["Geh heim ."]
    write(folder, "train.en", english)
    write(folder, "train.de", german)
    for name in (wmt16.VALIDATION, *wmt16.TESTS):
        write(folder, f"{name}.en", [f"Go to {name}."])
        write(folder, f"{name}.de", [f"Geh zu {name}."])
    prepared = prepare(wmt16.find(tmp_path), merges=20)
    assert prepared.pairs == {"train": 10, "valid": 1, "test": 1, "test1": 1}
    assert prepared.tests == wmt16.TESTS
    assert "10 training pairs, 2 dropped by cleaning, 1 of them repeated, " in prepared.origin
    first = bpe.undo(stored(prepared, "train", "en")[0])
    assert first == "A well @-@ known fact &quot; indeed &quot; ."
    assert prepared.text("test1", "de") == ["Geh zu newstest2016 ."]
    dictionaries = [(prepared.folder / f"dict.{la}.txt").read_bytes() for la in ("en", "de")]
    assert dictionaries[0] == dictionaries[1]


def wmt_text(folder, name, numbers):
    write(folder, f"{name}.en", [f"Line {i} , said number {i * 7 % 11} ." for i in numbers])
    write(folder, f"{name}.de", [f"Zeile {i} , sagte Nummer {i * 7 % 11} ." for i in numbers])


@pytest.fixture
def wmt(tmp_path):
    """WMT'16 in small, with forms of its texts beside them, as published copies have."""
    folder = tmp_path / wmt16.FOLDER
    wmt_text(folder, "train", range(100))
    wmt_text(folder, "newstest2012", range(100, 110))
    for n, name in enumerate((wmt16.VALIDATION, *wmt16.TESTS), 20):
        wmt_text(folder, name, range(10 * n, 10 * n + 10))
    for name in ("train", "newstest2012", "newstest2013", "newstest2014", "newstest2016"):
        for form in ("tok", "tok.clean", "tok.bpe.32000"):
            for language in wmt16.LANGUAGES:
                shutil.copy(folder / f"{name}.{language}", folder / f"{name}.{form}.{language}")
    for language in wmt16.LANGUAGES:
        shutil.copy(folder / f"newstest2014.{language}", folder / f"newstest2014-deen.{language}")
    return folder


def test_held_out_text_is_never_trained_on_and_no_text_twice(wmt):
    said = []
    prepared = prepare(wmt16.find(wmt.parent), 20, said.append)
    assert prepared.pairs == {"train": 110, "valid": 10, "test": 10, "test1": 10}
    assert "  train: newstest2012.en, train.en" in said
    assert "another text (valid has 10 pairs, not 3,000)" in prepared.origin


def test_forms_of_a_text_without_the_text_are_refused(wmt):
    for language in wmt16.LANGUAGES:
        (wmt / f"train.{language}").unlink()
    with pytest.raises(UserError, match="forms of one text"):
        prepare(wmt16.find(wmt.parent), 20)
    for form in ("tok", "tok.clean"):
        for language in wmt16.LANGUAGES:
            (wmt / f"train.{form}.{language}").unlink()
    with pytest.raises(UserError, match="BPE pieces"):
        prepare(wmt16.find(wmt.parent), 20)


FORMS = {
    "plain": str,
    "upper": str.upper,
    "punctuated": lambda line: f"{line} !",
    "bpe": lambda line: f"{line[:2]}@@ {line[2:]}",
}


@pytest.mark.parametrize("form", FORMS)
def test_held_out_text_under_another_name_is_found_in_whatever_form(wmt, form):
    for language in wmt16.LANGUAGES:
        lines = (wmt / f"newstest2014.{language}").read_text().splitlines()
        write(wmt, f"train-extra.{language}", map(FORMS[form], lines))
    with pytest.raises(UserError, match="of the 10 pairs of test are in the training text"):
        prepare(wmt16.find(wmt.parent), 20)


def test_a_text_that_is_there_twice_is_refused(wmt):
    """Two shardings side by side, say."""
    for language in wmt16.LANGUAGES:
        shutil.copy(wmt / f"train.{language}", wmt / f"train-00.{language}")
    with pytest.raises(UserError, match="100 of the 210 training pairs repeat earlier ones"):
        prepare(wmt16.find(wmt.parent), 20)


def test_the_digest_is_that_of_the_text_wherever_it_lies(folder, tmp_path):
    elsewhere = tmp_path / "elsewhere" / iwslt14.FOLDER
    shutil.copytree(folder, elsewhere)
    assert found(folder).digest == found(elsewhere).digest
    with (elsewhere / "train.de").open("a") as de, (elsewhere / "train.en").open("a") as en:
        de.write("noch ein satz\n")
        en.write("one more line\n")
    assert found(folder).digest != found(elsewhere).digest


def test_a_byte_order_mark_and_windows_line_ends_are_no_text(folder):
    plain = found(folder)
    for path in (*folder.glob("*.de"), *folder.glob("*.en"), folder / "code"):
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    for path in (*folder.glob("*.de"), *folder.glob("*.en")):
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert found(folder).digest == plain.digest


def test_the_hubs_copy_becomes_text_and_is_fetched_once(tmp_path, monkeypatch):
    datasets = pytest.importorskip("datasets")
    asked = []

    def load_dataset(name, pair, split):
        asked.append((name, pair, split))
        return [{"translation": {"en": f"One\nline of {split}.", "de": f"Eine Zeile, {split}."}}]

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    source = wmt16.download(tmp_path / wmt16.FOLDER)
    wmt16.download(tmp_path / wmt16.FOLDER)
    assert asked == [(hub, "de-en", split) for hub, split in wmt16.HUB.values()]
    prepared = prepare(source, merges=5)
    assert prepared.pairs == {"train": 1, "valid": 1, "test": 1, "test1": 1}
    assert prepared.text("valid", "en") == ["One line of validation ."]


def test_a_hub_out_of_reach_is_named(tmp_path, monkeypatch):
    datasets = pytest.importorskip("datasets")

    def load_dataset(*_, **__):
        raise ConnectionError("no route")

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    with pytest.raises(UserError, match=r"wmt/wmt16 could not be fetched .*no route.*put the text"):
        wmt16.download(tmp_path / wmt16.FOLDER)


@pytest.mark.parametrize(
    ("source", "target", "clean"),
    [("a b", "a b c", True), ("a b", "a b c d", False), ("", "", False),
     ("a " * 175, "b " * 175, True), ("a " * 176, "b " * 176, False)],
)  # fmt: skip
def test_clean_pairs_are_of_similar_and_moderate_length(source, target, clean):
    assert moses.is_clean((source, target)) is clean


# The stand-in.


def test_the_stand_in_is_the_same_everywhere_and_holds_values_out():
    train, test = list(standin.pairs("train")), list(standin.pairs("test"))
    assert train == list(standin.pairs("train"))
    assert (len(train), len(set(train)), len(test)) == (8000, 8000, 400)
    assert not set(train) & set(test)
    numbers = [
        {pair[1].split()[0] for pair in pairs if "ist weniger als" in pair[1]}
        for pairs in (train, test)
    ]
    assert numbers[0]
    assert numbers[1]
    assert not numbers[0] & numbers[1]


def test_numbers_dates_and_amounts_are_written_out():
    assert standin._number(345)[1] == "dreihundertfünfundvierzig"
    assert standin._amount(21, 50) == (
        "twenty-one euros and fifty cents",
        "einundzwanzig euro und fünfzig cent",
    )
    day = (standin.date(1987, 3, 21) - standin.FIRST_DAY).days
    assert standin._day(day) == (
        "Saturday , the twenty-first of March nineteen eighty-seven",
        "Samstag , dem einundzwanzigsten März neunzehnhundertsiebenundachtzig",
    )


# The real thing.


SHARED = Path(__file__).parents[4].parent / "shared" / "data"
PACK = SHARED / f"{iwslt14.FOLDER}.tar.xz"


@pytest.fixture(scope="module")
def pack(tmp_path_factory):
    if not PACK.is_file():
        pytest.skip(f"no ../shared/data/{PACK.name} beside the checkout")
    return iwslt14.unpack(PACK, tmp_path_factory.mktemp("pack")) / iwslt14.FOLDER


@pytest.mark.parametrize("language", iwslt14.LANGUAGES)
def test_our_bpe_is_the_canonical_one_line_by_line(pack, language):
    encode = bpe.encoder(bpe.read_codes(pack / "code"))
    for split, lines in (("valid", 7283), ("test", 6750), ("train", 47051)):
        canonical = list(translation._lines(pack / f"{split}.{language}"))
        assert len(canonical) == lines
        for line in canonical:
            assert encode(bpe.undo(line)) == line


@pytest.mark.parametrize("language", iwslt14.LANGUAGES)
def test_the_canonical_dictionary_has_every_piece_of_the_training_text(pack, language):
    known = translation._symbols(pack / f"dict.{language}.txt")
    pieces = {w for line in translation._lines(pack / f"train.{language}") for w in line.split()}
    assert pieces <= known
