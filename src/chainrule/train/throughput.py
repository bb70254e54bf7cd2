"""How fast a stream's rows are trained on, and how much memory that takes."""

from typing import Any

from chainrule.base.machine_memory import peak_memory


def flow_of_data(samples: int, seconds: float, waited: float) -> dict[str, Any]:
    """Return the columns of an epoch that trained on so many of a stream's rows, and waited so long for them.

    >>> flow_of_data(100, 2.0, 0.5)["rows_per_second"]
    50.0
    """
    found: dict[str, Any] = {"rows_per_second": samples / max(seconds, 1e-9), "waited": waited}
    peak = peak_memory()
    return found if peak is None else found | {"peak_memory": peak}


def described(row: dict[str, Any]) -> str:
    """Say the same in words; "" for a row without these columns.

    >>> described({"rows_per_second": 51234.0, "waited": 0.5, "seconds": 4.0, "peak_memory": 300_000_000})
    '51,234 rows/s, 0.5 s waiting for data, peak memory 300 MB'
    """
    if "rows_per_second" not in row:
        return ""
    peak = f", peak memory {row['peak_memory'] / 1e6:.0f} MB" if row.get("peak_memory") else ""
    return f"{row['rows_per_second']:,.0f} rows/s, {row['waited']:.1f} s waiting for data{peak}"
