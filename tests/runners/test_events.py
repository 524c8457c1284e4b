"""The lines that jobs say to machines, and the log that takes them up."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from colbert_kit.progress import Progress
from colbert_kit.runners import Failure, JobLog, Metrics, Result, format_event, parse_event

NAMES = st.text(min_size=1)
EVENTS = st.one_of(
    st.builds(
        Metrics,
        st.integers(0, 10**9),
        st.none() | st.integers(1, 10**9),
        st.dictionaries(NAMES, st.floats(allow_nan=False, allow_infinity=False)),
    ),
    st.builds(Progress, st.text(), st.integers(0), st.none() | st.integers(0)),
    st.builds(Result, st.dictionaries(NAMES, st.none() | st.booleans() | st.integers() | st.text())),
    st.builds(Failure, st.text()),
)


@given(EVENTS)
def test_an_event_is_one_line_of_ascii_and_comes_back_as_it_was(event):
    line = format_event(event)
    assert parse_event(line) == event
    assert line.isascii()
    assert line.splitlines() == [line]


@given(st.text())
def test_a_line_that_is_no_event_is_none_whatever_it_says(text):
    assert parse_event(text) is None
    # After the prefix too: the job may have been killed while it wrote.
    assert parse_event(f"::colbert-kit:: {text}") is None or text.lstrip().startswith("{")


@pytest.mark.parametrize(
    "rest",
    [
        '{"event": "metrics"}',
        '{"event": "metrics", "step": "x", "steps": null, "values": {}}',
        '{"event": "new"}',
        '{"event": "metrics", "step": 1, "steps": null, "values": {"loss": 1.25}',
        "[]",
        "null",
    ],
)
def test_an_event_that_is_not_whole_or_of_a_later_version_is_none(rest):
    assert parse_event(f"::colbert-kit:: {rest}") is None


def test_a_loss_that_is_no_number_still_comes_through():
    event = parse_event(format_event(Metrics(3, 10, {"loss": math.nan, "rate": math.inf, "other": 1.0})))
    assert math.isnan(event.values["loss"])
    assert math.isnan(event.values["rate"])
    assert event.values["other"] == 1.0


def test_a_bar_before_an_event_on_its_line_does_not_hide_it_and_a_quoted_one_is_no_event():
    line = format_event(Failure("no rows"))
    assert parse_event(f"\r 10%|#   | 1/10\r 20%|##  | 2/10\r{line}") == Failure("no rows")
    assert parse_event(f"the document says {line}") is None


def test_a_log_keeps_its_last_lines_and_what_its_events_say():
    log = JobLog(keep_lines=3, keep_metrics=2)
    for number in range(5):
        log.add(f"line {number}")
        log.add(format_event(Metrics(number, 5, {"loss": 1.0 / (1 + number)})))
    log.add(format_event(Progress("training", 5, 5)))
    log.add(format_event(Result({"repo_id": "me/model"})))

    assert log.lines() == ["line 2", "line 3", "line 4"]
    assert log.lines(tail=2) == ["line 3", "line 4"]
    assert [one.step for one in log.metrics()] == [3, 4]
    assert log.progress == Progress("training", 5, 5)
    assert log.result == {"repo_id": "me/model"}
    assert log.failure is None
    assert log.num_lines == 12


def test_why_a_job_failed_is_among_the_lines_for_people():
    log = JobLog()
    log.add("before")
    log.add(format_event(Failure("there is no dataset me/pairs.")))
    assert log.failure == "there is no dataset me/pairs."
    assert log.lines() == ["before", "there is no dataset me/pairs."]
