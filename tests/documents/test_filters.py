import datetime

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from colbert_kit.documents import parse_filter
from colbert_kit.documents.filters import OPERATORS, filter_mask
from colbert_kit.errors import InvalidInput

TABLE = pa.table(
    {
        "id": ["a", "b", "c", "d"],
        "year": [2019, 2020, None, 2021],
        "price": [1.5, None, 2.0, -1.0],
        "topic": ["x", "y", None, "x"],
        "open": [True, False, None, True],
        "day": pa.array([datetime.date(2020, 1, number) if number else None for number in (1, 2, 0, 4)]),
        "tags": [["x"], [], None, ["y"]],
        "nothing": pa.nulls(4),
    }
)


def passing(filters):
    mask = np.asarray(filter_mask(TABLE, filters))
    return "".join(np.array(["a", "b", "c", "d"])[mask])


@pytest.mark.parametrize(
    ("condition", "ids"),
    [
        (("year", "=", 2020), "b"),
        (("year", "==", 2020.0), "b"),
        (("year", "!=", 2020), "ad"),
        (("year", "<", 2019.5), "a"),
        (("year", "<=", 2020), "ab"),
        (("year", ">", 2019), "bd"),
        (("year", ">=", np.int64(2021)), "d"),
        (("year", "in", [2019, 2021, 3000]), "ad"),
        (("year", "in", {2019}), "a"),
        (("year", "in", [2020.5, 2019.0]), "a"),
        (("year", "=", 2020.5), ""),
        (("year", "not in", [2020.5]), "abd"),
        (("year", "not in", (2019, 2020)), "d"),
        (("year", "in", []), ""),
        (("year", "not in", []), "abd"),
        (("year", "in", [None, 2019]), "a"),
        (("year", "not in", [None]), "abd"),
        (("price", ">", 1), "ac"),
        (("topic", "=", "x"), "ad"),
        (("topic", ">", "x"), "b"),
        (("topic", "in", ["y", "z"]), "b"),
        (("open", "=", True), "ad"),
        (("open", "!=", True), "b"),
        (("day", ">=", datetime.date(2020, 1, 2)), "bd"),
        (("id", "in", ["c", "d"]), "cd"),
    ],
)
def test_condition_finds_the_rows_for_which_it_holds(condition, ids):
    assert passing([condition]) == ids


@pytest.mark.parametrize("operator", OPERATORS)
@pytest.mark.parametrize(("column", "value"), [("year", 0), ("price", 0.0), ("topic", "q"), ("open", False)])
def test_null_never_matches(operator, column, value):
    rows_with_null = {"year": "c", "price": "b", "topic": "c", "open": "c"}[column]
    value = [value] if "in" in operator else value

    assert rows_with_null not in passing([(column, operator, value)])


@pytest.mark.parametrize("operator", OPERATORS)
def test_column_of_nulls_matches_nothing(operator):
    try:
        assert passing([("nothing", operator, [None] if "in" in operator else "x")]) == ""
    except InvalidInput as error:
        assert "cannot be compared" in str(error)  # noqa: PT017 - both answers are right, a crash is not


def test_all_conditions_must_hold():
    assert passing([("year", ">", 2019), ("topic", "=", "x")]) == "d"


def test_outer_list_means_or():
    assert passing([[("year", "=", 2019)], [("topic", "=", "y"), ("year", "=", 2020)], [("id", "=", "c")]]) == "abc"


@given(st.lists(st.lists(st.tuples(st.sampled_from(["year"]), st.sampled_from(OPERATORS[:7]), st.integers(2018, 2022)),
                         min_size=1, max_size=3), min_size=1, max_size=3))  # fmt: skip
def test_any_combination_equals_python(filters):
    compare = {
        "=": int.__eq__, "==": int.__eq__, "!=": int.__ne__,
        "<": int.__lt__, "<=": int.__le__, ">": int.__gt__, ">=": int.__ge__,
    }  # fmt: skip

    def holds(year):
        return any(all(compare[operator](year, value) for _, operator, value in inner) for inner in filters)

    expected = {"a": 2019, "b": 2020, "d": 2021}
    assert passing(filters) == "".join(name for name, year in expected.items() if holds(year))


def test_unknown_column_is_answered_with_the_known_ones():
    with pytest.raises(InvalidInput, match="no column 'yaer' to filter by; the columns are: day, id, nothing, open"):
        passing([("yaer", "=", 2020)])


def test_unknown_operator_is_answered_with_the_known_ones():
    with pytest.raises(InvalidInput, match=r"operator must be one of =, ==, .*not in; got 'like'"):
        passing([("topic", "like", "x%")])


@pytest.mark.parametrize(
    "condition",
    [("year", "=", "2020"), ("year", ">", True), ("year", "in", ["x"]), ("year", "in", 2020), ("topic", "in", "xy"),
     ("topic", "=", 5), ("year", "=", None), ("year", "<", 2**70), ("year", "in", [2**70]), ("year", "=", {}),
     ("year", "=", object()), ("tags", "=", "x"), ("open", "=", "yes")],
)  # fmt: skip
def test_value_of_another_type_is_refused_by_column_and_type(condition):
    with pytest.raises(InvalidInput, match=f"column '{condition[0]}' holds .* and cannot be compared"):
        passing([condition])


@pytest.mark.parametrize(
    "filters",
    [[], [[]], [[("year", "=", 1)], []], ("year", "=", 2020), "year = 2020", [("year", "=")], [("year", "=", 1, 2)],
     [(5, "=", 1)], [["year", "=", 2020]], [("year", "=", 1), [("year", "=", 1)]]],
)  # fmt: skip
def test_filters_of_another_form_are_refused(filters):
    with pytest.raises(InvalidInput, match=r"filters must be a list of \(column, operator, value\)"):
        passing(filters)


@pytest.mark.parametrize(
    ("text", "condition"),
    [
        ("year >= 2020", ("year", ">=", 2020)),
        ("year>=2020", ("year", ">=", 2020)),
        ("  price < -1.5 ", ("price", "<", -1.5)),
        ("topic = cold war", ("topic", "=", "cold war")),
        ("topic = '2020'", ("topic", "=", "2020")),
        ('topic != "a b"', ("topic", "!=", "a b")),
        ("open == TRUE", ("open", "==", True)),
        ("topic in a, b ,c", ("topic", "in", ["a", "b", "c"])),
        ("year not  in 2019,2020", ("year", "not in", [2019, 2020])),
        ("index = 3", ("index", "=", 3)),
    ],
)
def test_condition_is_read_from_text(text, condition):
    assert parse_filter(text) == condition


@pytest.mark.parametrize("text", ["", "year", "year 2020", "= 2020", "year >=", "year ~ 5", "year => 5", "year ! 5"])
def test_text_that_is_no_condition_is_refused(text):
    with pytest.raises(InvalidInput, match="a filter reads 'column operator value'"):
        parse_filter(text)


@pytest.mark.parametrize("value", ["\ud800", float("nan")])
def test_a_value_that_its_column_cannot_hold_is_refused(value):
    table = pa.table({"topic": ["city"], "day": [datetime.date(2020, 1, 2)]})
    column = "topic" if isinstance(value, str) else "day"
    for condition in ((column, "=", value), (column, "in", [value])):
        with pytest.raises(InvalidInput, match=f"column '{column}' holds .* and cannot be compared"):
            filter_mask(table, [condition])
