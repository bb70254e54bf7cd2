"""Series: times in order, gaps, windows, and naive forecasts."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.named import walked

from chainrule.data import DataError, dates
from chainrule.data.series.clock import Clock
from chainrule.data.series.naive import last_value, period_of, seasonal
from chainrule.data.series.series import read_series

DAYS = "".join(f"2024-01-0{k},{k}\n" for k in range(1, 5))


def written(tmp_path, text):
    path = tmp_path / "sales.csv"
    path.write_text(text)
    return path


def test_a_series_is_put_in_order(tmp_path):
    path = written(tmp_path, "day,rain,y\n2024-01-03,3,30\n2024-01-01,1,10\n2024-01-02,2,20\n")
    series = read_series(path, "y", "day")
    assert series.values.tolist() == [[10, 1], [20, 2], [30, 3]]
    assert series.inputs == ("rain",)
    assert series.clock == Clock("ymd", step=1.0)
    assert series.said[0] == "sales.csv: a series of 3 rows from 2024-01-01 to 2024-01-03, a row every 1 day"
    assert series.said[1] == "the rows were put in the order of their times"


@pytest.mark.parametrize(
    ("times", "distance", "following"),
    [
        (["2024-01-31", "2024-02-29", "2024-03-31"], "1 month", "2024-04-30"),
        (["2024-01-01", "2024-04-01", "2024-07-01"], "3 months", "2024-10-01"),
        (["2020-05-01", "2021-05-01", "2022-05-01"], "1 year", "2023-05-01"),
        (["2024-01-01", "2024-01-08", "2024-01-15"], "1 week", "2024-01-22"),
        (["2024-01-01 22:00", "2024-01-01 23:00", "2024-01-02 00:00"], "1 hour", "2024-01-02T01:00"),
        (["13.01.2024", "14.01.2024", "15.01.2024"], "1 day", "2024-01-16"),
    ],
)
def test_times_go_on_as_they_were(tmp_path, times, distance, following):
    path = written(tmp_path, "t,y\n" + "".join(f"{t},{k}\n" for k, t in enumerate(times)))
    series = read_series(path, "y", "t")
    assert series.clock.distance() == distance
    assert series.clock.written(series.clock.following(series.times[-1], 1)[0]) == following
    assert not len(series.breaks)


def test_numbers_and_rows_are_times_too(tmp_path):
    path = written(tmp_path, "t,y\n10,1\n20,2\n30,4\n")
    assert read_series(path, "y", "t").clock.following(30.0, 2).tolist() == [40.0, 50.0]
    series = read_series(path, "y", None)
    assert series.times.tolist() == [1.0, 2.0, 3.0]
    assert series.inputs == ("t",)


def test_gaps_are_named_and_not_crossed(tmp_path):
    days = [k for k in range(1, 29) if k not in (10, 11, 20)]
    path = written(tmp_path, "t,y\n" + "".join(f"2024-02-{k:02d},{k}\n" for k in days))
    series = read_series(path, "y", "t")
    assert series.said[1] == "2 gaps, the first after 2024-02-09: no window reaches across a gap"
    begins = series.begins(3, 2, 0, len(series))
    for b in begins:
        whole = series.values[b - 3 : b + 2, 0]
        assert np.ptp(whole) == 4
    possible = [b for b in range(3, len(days) - 1) if days[b + 1] - days[b - 3] == 4]
    assert begins.tolist() == possible


def test_text_columns_are_left_out_and_said(tmp_path):
    path = written(tmp_path, "t,shop,y\n1,a,1\n2,b,2\n")
    assert read_series(path, "y", "t").said[-1] == "left out, because they are text: 'shop'"


@pytest.mark.parametrize(
    ("text", "target", "time", "said"),
    [
        ("t,y\n1,2\n", "z", "t", "no column 'z' for --target; expected one of 't', 'y'"),
        ("t,y\n1,2\n", "y", "z", "no column 'z' for --time"),
        ("t,y\n1,2\n", "y", "y", "the column 'y' cannot be both the time and the target"),
        ("t,y\n1,low\n2,high\n", "y", "t", "column 'y' is text ('low' at line 2); a series is of numbers"),
        ("t,y\nsoon,1\nlater,2\n", "y", "t", "column 't': 'soon' at line 2 is no time; expected numbers, or dates"),
        ("t,y\n2024-01-01,1\nsoon,2\n2024-01-03,3\n", "y", "t", "column 't': 'soon' at line 3 is no time"),
        ("t,y\n" + DAYS + "2024-02-30,2\n", "y", "t", "'2024-02-30' at line 6 is no time"),
        ("t,y\n1/2/2024,1\n2/2/2024,2\n", "y", "t", "may be day-month-year or month-day-year; write dates as"),
        ("t,y\n" + DAYS + "2024-01-01,3\n", "y", "t", "the time 2024-01-01 occurs twice, at line 2 and line 6"),
    ],
)  # fmt: skip
def test_what_is_no_series(tmp_path, text, target, time, said):
    with pytest.raises(DataError, match=re.escape(said)):
        read_series(written(tmp_path, text), target, time)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(DataError, match="no such file"):
        read_series(tmp_path / "none.csv", None, None)


@given(period=st.integers(3, 24), trend=st.floats(-1, 1), seed=st.integers(0, 50))
def test_a_period_is_found_in_spite_of_trend_and_noise(period, trend, seed):
    rng = np.random.default_rng(seed)
    shape = rng.normal(size=period)
    shape[0] += 3
    k = np.arange(10 * period)
    assert period_of(shape[k % period] + trend * k + 0.05 * rng.normal(size=len(k))) == period


@walked("values", [np.zeros(50), np.arange(50.0), np.arange(5.0), np.full(50, 1e300), np.empty(0)])
def test_no_period_is_found_where_there_is_none(values):
    assert period_of(values) is None


def test_noise_has_no_period():
    rng = np.random.default_rng(0)
    assert [period_of(rng.normal(size=200).cumsum()) for _ in range(20)].count(None) >= 18


@given(horizon=st.integers(1, 9), period=st.integers(1, 5))
def test_naive_forecasts(horizon, period):
    values = np.arange(20.0)
    begins = np.array([5, 12])
    assert last_value(values, begins, horizon)[:, -1].tolist() == [4.0, 11.0]
    found = seasonal(values, begins, horizon, period)
    for row, begin in zip(found, begins, strict=True):
        assert row.tolist() == [begin - period + h % period for h in range(horizon)]


def test_dates_are_written_as_they_are_read():
    for text in ("2024-02-29", "2024-02-29T13:45", "2024-02-29T13:45:10", "1969-12-31"):
        time = dates.days(text, "ymd")
        assert Clock("ymd").written(time) == text
