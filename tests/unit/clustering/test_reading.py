"""Files of rows: what is read, what is refused, and how the refusal reads."""

from __future__ import annotations

import io
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from arro3.core import Array, DataType
from arro3.core import Table as Columns
from arro3.io import write_parquet
from hypothesis import given, settings
from hypothesis import strategies as st

from functions.clustering import reading
from functions.clustering.limits import MAX_JOB_ROWS
from functions.clustering.reading import buffer, csv_file, dataset_key, read_table
from hearth.errors import Conflict, InvalidInput, NotFound, TooLarge
from tests.support.fakes import MemoryStore

BUCKET = "hearth-data"


def npy(array: Any, **options: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, array, **options)
    return file.getvalue()


def parquet(tmp_path: Path, columns: dict[str, Any]) -> bytes:
    path = tmp_path / "made.parquet"
    write_parquet(Columns(columns), str(path))
    return path.read_bytes()


def read(name: str, data: bytes) -> tuple[Any, tuple[str, ...]]:
    key = f"datasets/{name}"
    table = read_table(MemoryStore({key: data}), key)
    return table.values, table.columns


def refusal(name: str, data: bytes) -> str:
    with pytest.raises((InvalidInput, TooLarge)) as caught:
        read(name, data)
    assert caught.value.details, "the error names no field"
    return caught.value.message


# ---- addresses ----


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("s3://elsewhere/datasets/a.npy", "read from s3://hearth-data/ only"),
        ("s3://hearth-data/frames/a.npy", "lies under s3://hearth-data/datasets/"),
        ("s3://hearth-data/datasets/", "lies under"),
        ("s3://hearth-data/datasets/a.pkl", "ends in none of .npy, .csv, .parquet"),
        ("s3://hearth-data/datasets/a", "ends in none of"),
        ("http://hearth-data/datasets/a.npy", "read from s3://hearth-data/ only"),
    ],
)
def test_only_data_sets_of_the_stack_s_bucket_are_read(address: str, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        dataset_key(address, BUCKET)


def test_a_key_is_taken_as_it_stands_in_the_address() -> None:
    address = "s3://hearth-data/datasets/a b?c#d%20.CSV"
    assert dataset_key(address, BUCKET) == "datasets/a b?c#d%20.CSV"


def test_a_file_that_does_not_exist_is_not_found() -> None:
    with pytest.raises(NotFound, match=r"datasets/a\.npy does not exist"):
        read_table(MemoryStore(), "datasets/a.npy")


# ---- what a file is ----


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("a.npy", b"", "is empty"),
        ("a.npy", b"1,2\n3,4\n", "is no .npy file: it begins as .csv"),
        ("a.csv", npy(np.ones((2, 2))), "is no .csv file: it begins as .npy"),
        ("a.csv", b"PAR1....PAR1", "is no .csv file: it begins as .parquet"),
        ("a.parquet", b"1,2\n", "is no .parquet file"),
        ("a.parquet", b"\x80\x04\x95\x00", "is no .parquet file: it begins as something else"),
    ],
)
def test_a_file_of_another_format_than_its_suffix_is_refused(
    name: str, data: bytes, message: str
) -> None:
    assert message in refusal(name, data)


# ---- NPY ----


@pytest.mark.parametrize("dtype", ["<f4", "<f8", ">f8", "<i2", "u1", "?"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_an_array_is_read_in_either_order_and_any_type(dtype: str, order: Any) -> None:
    array = np.array([[0, 1], [1, 0], [1, 1]]).astype(dtype, order=order)
    values, columns = read("a.npy", npy(array))
    np.testing.assert_array_equal(values, array.astype(float))
    assert columns == ("column_0", "column_1")


def test_numbers_keep_their_precision() -> None:
    exact = np.array([[1 + 2**-40, 1e300]])
    values, _ = read("a.npy", npy(exact))
    assert values.dtype == np.float64
    np.testing.assert_array_equal(values, exact)
    assert read("b.npy", npy(exact[:, :1].astype(np.float32)))[0].dtype == np.float32


def test_many_doubles_become_single_precision_and_too_large_ones_are_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(buffer, "DOUBLE_VALUES", 3)
    values, _ = read("a.npy", npy(np.array([[1.0, 2.0], [3.0, 4.0]])))
    assert values.dtype == np.float32
    message = refusal("a.npy", npy(np.array([[1.0, 2.0], [3.0, 1e300]])))
    assert "row 1, column 1 is 1e+300, which is infinite or too large for float32" in message


@pytest.mark.parametrize("order", ["C", "F"])
def test_an_infinite_number_is_named_by_row_and_column(order: Any) -> None:
    array = np.ones((5, 3), order=order)
    array[4, 1] = -np.inf
    assert "row 4, column 1 is -inf" in refusal("a.npy", npy(array))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (npy(np.ones((10, 4)))[:-100], "is cut off: it holds 6 of 10 rows"),
        (npy(np.asfortranarray(np.ones((10, 4))))[:-100], "cut off: it holds 2 of 4 columns"),
        (npy(np.ones((2, 2))) + b"more", "goes on for 4 bytes after its last row"),
        (npy(np.ones((2, 2)))[:20], "has a damaged header"),
        (npy(np.ones(4)), "has 1 dimensions; two are read"),
        (npy(np.ones((2, 2, 2))), "has 3 dimensions; two are read"),
        (npy(np.ones((0, 3))), "holds 0 rows of 3 columns"),
        (npy(np.ones((1, 1001), np.int8)), "has 1001 columns; at most 1000"),
        (npy(np.array([["a", "b"]])), "holds <U1; floats or integers"),
        (npy(np.ones((1, 2), complex)), "holds complex128"),
        (b"\x93NUMPY\x09\x00" + bytes(100), "is NPY 9.0; 1.0 and 2.0 are read"),
    ],
)
def test_an_array_that_cannot_be_read_says_why(data: bytes, message: str) -> None:
    assert message in refusal("a.npy", data)


class Bomb:
    """Unpickling it would show."""

    fired: list[str] = []  # noqa: RUF012

    def __reduce__(self) -> Any:
        return Bomb.fired.append, ("fired",)


def test_an_array_of_python_objects_is_refused_before_it_is_unpickled() -> None:
    data = npy(np.array([[Bomb(), 1]], dtype=object), allow_pickle=True)
    Bomb.fired.clear()
    assert "Python objects (pickle), which are never read" in refusal("a.npy", data)
    assert Bomb.fired == []


def test_a_header_that_promises_more_than_is_taken_is_refused_unread() -> None:
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "<f4", "fortran_order": False, "shape": (MAX_JOB_ROWS + 1, 2)}
    )
    assert f"at most {MAX_JOB_ROWS} are taken" in refusal("a.npy", header.getvalue())


# ---- CSV ----


@pytest.mark.parametrize(
    ("text", "expected", "columns"),
    [
        ("1,2\n3,4\n", [[1, 2], [3, 4]], ("column_0", "column_1")),
        ("a,b\n1,2\n", [[1, 2]], ("a", "b")),
        ("\ufeffa,b\r\n1,2\r\n", [[1, 2]], ("a", "b")),
        ('"a, of x","b"\n1e3,-2\n', [[1000, -2]], ("a, of x", "b")),
        ("a\n1\n\n\n", [[1]], ("a",)),
        ("a,b\n1, \n,2\n", [[1, np.nan], [np.nan, 2]], ("a", "b")),
        ("1,2", [[1, 2]], ("column_0", "column_1")),
        ("a,\n1,2\n", [[1, 2]], ("a", "column_1")),
    ],
)
def test_lines_of_numbers_are_rows(text: str, expected: Any, columns: tuple[str, ...]) -> None:
    values, names = read("a.csv", text.encode())
    np.testing.assert_array_equal(values, np.array(expected, float))
    assert names == columns


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"a,b\n1,2\n3,x\n", "line 3, column 1: 'x' is no number"),
        (b"a,b\n1,2\n3", "line 3 has 1 cells and the first line 2; it may be cut off there"),
        (b"a,b\n1,2,3\n", "line 2 has 3 cells"),
        (b"a,b\n1,2\n\n3,4\n", "line 3 is empty"),
        (b"\n1,2\n", "line 1 is empty"),
        (b"a,b\n", "holds 0 rows of 2 columns"),
        (b"a,b\n1,inf\n", "row 0, column 1 is inf"),
        (b"a,b\n1,\xff\n", "is not UTF-8"),
        (b'a,b\n1,"2\n', "is no CSV: line 2"),
        (b"a,a\n1,2\n", "has 'a' more than once"),
        (b"1," * 1000 + b"1\n", "has 1001 columns; at most 1000"),
        (b"1" * csv_file.MAX_LINE_CHARS + b"\n", "line 1 is longer than"),
    ],
)
def test_a_line_that_cannot_be_read_is_named(data: bytes, message: str) -> None:
    assert message in refusal("a.csv", data)


def test_many_lines_become_single_precision_on_the_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_file, "DOUBLE_VALUES", 3000)
    rows = np.arange(4000.0).reshape(2000, 2)
    values, _ = read("a.csv", "\n".join(f"{a},{b}" for a, b in rows).encode())
    assert values.dtype == np.float32
    np.testing.assert_array_equal(values, rows)


# ---- Parquet ----


def test_columns_of_numbers_are_read_and_empty_cells_are_nan(tmp_path: Path) -> None:
    data = parquet(
        tmp_path,
        {
            "a": Array([1.5, None, 3.0], DataType.float64()),
            "b": Array(np.array([1, 2, 3], np.int32)),
            "on": Array([True, False, True], DataType.bool()),
        },
    )
    values, columns = read("a.parquet", data)
    assert columns == ("a", "b", "on")
    np.testing.assert_array_equal(values, [[1.5, 1, 1], [np.nan, 2, 0], [3, 3, 1]])


def test_a_column_of_text_is_named(tmp_path: Path) -> None:
    data = parquet(tmp_path, {"a": Array(np.ones(2)), "room": Array(["x", "y"], DataType.string())})
    assert "column 'room' holds" in refusal("a.parquet", data)


def test_more_doubles_than_fit_become_single_precision(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from functions.clustering.reading import parquet_file

    monkeypatch.setattr(parquet_file, "DOUBLE_VALUES", 3000)
    rows = np.arange(8000.0).reshape(4000, 2)
    data = parquet(tmp_path, {"a": Array(rows[:, 0].copy()), "b": Array(rows[:, 1].copy())})
    values, _ = read("a.parquet", data)
    assert values.dtype == np.float32
    np.testing.assert_array_equal(values, rows)


def test_a_parquet_file_that_is_cut_off_says_so(tmp_path: Path) -> None:
    data = parquet(tmp_path, {"a": Array(np.ones(100))})
    assert "is cut off: it does not end as Parquet does" in refusal("a.parquet", data[:-9])


def test_a_damaged_parquet_file_ends_its_own_process_only(tmp_path: Path) -> None:
    data = bytearray(parquet(tmp_path, {"a": Array(np.ones(100))}))
    data[-8:-4] = (2**31 - 1).to_bytes(4, "little")  # the length of the footer
    assert "is damaged, or no Parquet that can be read" in refusal("a.parquet", bytes(data))


# ---- whatever comes ----


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(["a.npy", "a.csv"]),
    st.binary(max_size=60),
    st.sampled_from([b"", b"\x93NUMPY\x01\x00", npy(np.ones((3, 2)))[:140], b"a,b\n1,2\n"]),
)
def test_any_bytes_are_rows_or_a_clear_error(name: str, tail: bytes, head: bytes) -> None:
    with suppress(InvalidInput, TooLarge):
        values, columns = read(name, head + tail)
        assert values.ndim == 2
        assert values.shape[1] == len(columns)
        assert not np.isinf(values).any()


def test_a_file_that_is_replaced_while_it_is_read_is_a_conflict() -> None:
    class Replaced(io.BytesIO):
        def readinto(self, _: Any) -> int:
            raise Conflict("s3://hearth-data/datasets/a.csv was replaced while it was read")

    class Store(MemoryStore):
        def open(self, key: str, max_bytes: int) -> Any:
            return io.BufferedReader(Replaced())

    with pytest.raises(Conflict, match="was replaced"):
        read_table(Store(), "datasets/a.csv")


def test_a_file_over_the_bound_is_refused_unread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MAX_FILE_BYTES", 10)
    with pytest.raises(TooLarge, match="at most 10 are read"):
        read("a.csv", b"1,2\n" * 10)
