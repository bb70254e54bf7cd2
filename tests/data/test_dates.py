"""Dates: every usual form is recognised, and becomes numbers that say the same."""

from datetime import date, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.named import walked

from chainrule.data import DataError, dates, load, load_features

DAYS = st.dates(date(1000, 1, 1), date(9999, 12, 31))
WRITTEN = {
    "ymd": (
        "{d:%Y-%m-%d}",
        "{d:%Y}/{d.month}/{d.day}",
        "{d:%Y.%m.%d}",
        "{d.year}. {d.month}. {d.day}.",
        "{d:%Y}년 {d.month}월 {d.day}일",
    ),
    "dmy": ("{d.day}.{d.month}.{d:%Y}", "{d:%d/%m/%Y}", "{d:%d-%m-%Y}"),
    "mdy": ("{d:%m/%d/%Y}", "{d.month}/{d.day}/{d:%Y}"),
    "named": ("{d:%d-%b-%Y}", "{d:%B} {d.day}, {d:%Y}", "{d.day} {d:%b} {d:%Y}"),
}


@given(DAYS, st.sampled_from([(form, text) for form, texts in WRITTEN.items() for text in texts]))
def test_every_form_gives_the_day(day, form_and_text):
    form, text = form_and_text
    written = text.format(d=day)
    assert dates.days(written, form) == (day - date(1970, 1, 1)).days
    assert form in dates.forms([written])


@walked(
    ("text", "clock"),
    [
        ("2024-01-05T13:30", 13.5),
        ("2024-01-05 13:30:36", 13.51),
        ("2024-01-05T13:30:00Z", 13.5),
        ("2024-01-05T13:30:00+09:00", 4.5),
        ("2024-01-05 1:30 PM", 13.5),
        ("2024-01-05 12:30 am", 0.5),
        ("2024-01-05 오후 1:30", 13.5),
        ("2024-01-05T13:30:00.360", 13.5001),
    ],
)
def test_a_time_is_a_fraction_of_the_day(text, clock):
    whole = (date(2024, 1, 5) - date(1970, 1, 1)).days
    assert dates.days(text, "ymd") == pytest.approx(whole + clock / 24, abs=1e-9)


@walked("text", ["2024-02-30", "2024-13-01", "2024-1-1-1", "0000-01-01", "24:61", "2024-01-01 25:00", "20240101", ""])
def test_what_is_no_date_is_none(text):
    assert all(dates.days(text, form) is None for form in dates.FORMS)


@given(st.text(max_size=20))
def test_any_text_is_a_date_or_not(text):
    for form in dates.FORMS:
        found = dates.days(text, form)
        assert found is None or np.isfinite(found)


@given(st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1)))
def test_the_parts_say_where_a_date_is(moment):
    value = np.array([(moment - datetime(1970, 1, 1)) / timedelta(days=1)])
    for cycle, share in (
        ("week", moment.weekday() / 7),
        ("year", (moment.timetuple().tm_yday - 1) / (365 + (moment.year % 4 == 0 and moment.year != 1900))),
        ("day", value[0] % 1),
    ):
        found = [dates.part(value, f"{cycle} {wave}")[0] for wave in ("sin", "cos")]
        np.testing.assert_allclose(found, [np.sin(2 * np.pi * share), np.cos(2 * np.pi * share)], atol=1e-6)


def written(tmp_path, cells, name="t.csv"):
    path = tmp_path / name
    path.write_text("when,a,y\n" + "".join(f"{cell},{i},{i}.5\n" for i, cell in enumerate(cells)))
    return path


def test_a_column_of_dates_is_said_in_one_line(tmp_path):
    start = date(2024, 1, 1)
    path = written(tmp_path, [start + timedelta(days=9 * i) for i in range(40)])
    data = load(path)
    assert data.feature_names == (
        *("when (days)", "when (year, sin)", "when (year, cos)", "when (week, sin)", "when (week, cos)", "a"),
    )
    assert data.inferred[0] == (
        "when: dates, year-month-day, from 2024-01-01 to 2024-12-17; days since 1970-01-01 and the place in the "
        "year and week"
    )
    np.testing.assert_array_equal(load_features(path, data.schema), data.x)


def test_the_range_decides_the_parts():
    assert dates.parts(np.arange(5.0)) == ("days",)
    assert "year sin" not in dates.parts(np.arange(100.0))
    assert "day sin" in dates.parts(np.arange(0, 2, 0.1))
    yearly = np.array(["2001-01-01", "2002-01-01", "2003-01-01", "2004-01-01"], "datetime64[D]").astype(float)
    assert "year sin" not in dates.parts(yearly)


def test_the_form_of_the_training_is_kept(tmp_path):
    schema = load(written(tmp_path, ["13/01/2024", "02/01/2024", "03/04/2024"])).schema
    got = load_features(written(tmp_path, ["03/04/2024"], "new.csv"), schema)
    assert got[0, 0] == (date(2024, 4, 3) - date(1970, 1, 1)).days
    with pytest.raises(DataError, match="contains dates, but also '2024-04-03' at line 2; expected a date, day-month"):
        load_features(written(tmp_path, ["2024-04-03"], "new.csv"), schema)


def test_day_and_month_that_cannot_be_told_apart_are_named(tmp_path):
    with pytest.raises(DataError, match="'when' has dates such as '03/04/2024', whose day and month cannot be told"):
        load(written(tmp_path, ["03/04/2024", "05/06/2024"]))


def test_cells_that_are_no_dates_are_named(tmp_path):
    cells = [f"2024-01-{i:02}" for i in range(1, 21)]
    cells[7] = "soon"
    cells[9] = "2024-02-31"
    with pytest.raises(
        DataError, match=r"2 faults:\n  line 9: column 'when' contains dates, but also 'soon'\n  line 11: "
    ):
        load(written(tmp_path, cells))


def test_dates_may_have_holes(tmp_path):
    data = load(written(tmp_path, ["2024-01-01", "", "2024-01-02"]), missing="mean")
    assert np.isnan(data.x[:, 0]).tolist() == [False, True, False]


def test_a_date_for_a_network_of_numbers_is_text(tmp_path):
    schema = load(written(tmp_path, ["2024-01-01", "2024-01-02"])).schema
    with pytest.raises(DataError, match=r"2 faults:\n.*'when' contains dates, but also '1'"):
        load_features(written(tmp_path, ["1", "2"], "new.csv"), schema)
