"""What is due when: as a table, and against a loop that counts as a person would."""

from hypothesis import given
from hypothesis import strategies as st

from experiments.config.length import Length
from experiments.training.cadence import Cadence


def table(cadence: Cadence) -> dict[int, str]:
    """What is due at each update: l(ast), r(ecord), k(eep), e(valuate)."""
    found = {}
    for update in range(1, cadence.length.updates + 1):
        due = cadence.at(update)
        flags = {"l": due.last, "r": due.record, "k": due.keep_epoch, "e": due.evaluate}
        found[update] = "".join(letter for letter, is_due in flags.items() if is_due)
    return found


def test_whole_epochs() -> None:
    assert table(Cadence(Length(2, 2, 6), None, 1, 0)) == {
        1: "", 2: "re", 3: "", 4: "re", 5: "", 6: "lre",
    }  # fmt: skip


def test_every_second_epoch_and_models_to_average() -> None:
    assert table(Cadence(Length(2, 2, 6), None, 2, 2)) == {
        1: "", 2: "rk", 3: "", 4: "rke", 5: "", 6: "lrke",
    }  # fmt: skip


def test_a_run_that_ends_within_an_epoch_is_evaluated_and_keeps_no_part_of_one() -> None:
    assert table(Cadence(Length(3, 3, 5), 2, 1, 1)) == {
        1: "", 2: "r", 3: "rke", 4: "r", 5: "lre",
    }  # fmt: skip


numbers = st.integers(1, 7)


@given(numbers, st.integers(1, 40), st.none() | numbers, numbers, st.integers(0, 3))
def test_it_is_what_counting_gives(
    updates_per_epoch: int, updates: int, record_every: int | None, eval_every: int, average: int
) -> None:
    length = Length(updates_per_epoch, updates_per_epoch, updates)
    cadence = Cadence(length, record_every, eval_every, average)
    in_epoch = epochs = since_evaluation = since_record = 0
    for update in range(1, updates + 1):
        due = cadence.at(update)
        in_epoch, since_record = in_epoch + 1, since_record + 1
        over = in_epoch == updates_per_epoch
        if over:
            in_epoch, epochs, since_evaluation = 0, epochs + 1, since_evaluation + 1
        asked = since_record == record_every
        if asked:
            since_record = 0
        wanted = over and since_evaluation == eval_every
        if wanted:
            since_evaluation = 0
        last = update == updates
        assert due.last is last
        assert due.record is (over or asked or last)
        assert due.keep_epoch is (over and average > 0)
        assert due.evaluate is (wanted or last)
