"""A pickled pandas frame as plain columns, without running anything that the file names.

A pickle is a program: it may import any function and call it. Here the few names that a frame of plain columns is made
of stand for small classes of this module, which only hold what they are given; any other name ends the reading. Neither
pandas nor numpy's own unpickling takes part, so that a file can do no more than be wrong.
"""

from __future__ import annotations

import pickle
import pickletools
from collections.abc import Sequence
from os import SEEK_END
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from pointsman.data.tables import Columns
from pointsman.errors import DataError

__all__ = ["read_frame_pickle"]

_PUTS = ("PUT", "BINPUT", "LONG_BINPUT")
_NUMBERS = {code + size for code, sizes in (("f", "248"), ("i", "1248"), ("u", "1248")) for size in sizes} | {"b1"}
_MALFORMED = (
    pickle.UnpicklingError, ArithmeticError, AttributeError, EOFError, ImportError, LookupError, MemoryError,
    RecursionError, TypeError, ValueError,
)  # fmt: skip


def read_frame_pickle(path: str | Path) -> Columns:
    """The columns of a pickled frame: column -> values, missing ones as None or NaN.

    Columns of text, numbers and booleans, and of lists of these. No code in the file is run, and pandas is not needed.

    Args:
        path: written by `DataFrame.to_pickle` of pandas 1.3 or newer, not compressed.

    Raises:
        DataError: the file is absent or damaged, is no frame, names anything beside the parts of a plain frame, or
            holds other values.
    """
    file = Path(path)
    if not file.is_file():
        msg = f"{file} does not exist; check the path, or fetch it: pointsman data fetch routerbench"
        raise DataError(msg)
    try:
        with file.open("rb") as stream:
            _check_memo(stream)
            frame = _Reader(stream, file.name).load()
        columns = frame.columns() if isinstance(frame, _Frame) else None
    except DataError:
        raise
    except _MALFORMED as error:
        msg = f"{file.name} is not the pickle of a plain frame ({type(error).__name__}: {error}); fetch it again"
        raise DataError(msg) from error
    if columns is None:
        msg = f"{file.name} holds a {type(frame).__name__.strip('_')}, not a frame; give DataFrame.to_pickle's file"
        raise DataError(msg)
    for name, values in columns.items():
        _check(name, values, file.name)
    return columns


class _Sealed(type):
    """A class that a pickle can call but not change."""

    def __setattr__(cls, name: str, value: object) -> None:
        msg = f"{cls.__name__.strip('_')} cannot be changed"
        raise TypeError(msg)


class _Type(metaclass=_Sealed):
    """A dtype: its code and byte order."""

    __slots__ = ("code", "order")

    def __init__(self, code: object, *_: object) -> None:
        self.code = code if isinstance(code, str) else ""
        self.order = "<"

    def __setstate__(self, state: tuple[object, ...]) -> None:
        self.order = ">" if state[1] == ">" else "<"

    def numpy(self) -> np.dtype[Any]:
        if self.code not in _NUMBERS:
            msg = f"a column of type {self.code!r}; a table has text, numbers and booleans"
            raise ValueError(msg)
        return np.dtype(self.order + self.code)


class _Array(metaclass=_Sealed):
    """An array: its shape, and bytes of numbers or a list of objects."""

    __slots__ = ("values",)
    values: NDArray[Any]

    def __setstate__(self, state: tuple[object, ...]) -> None:
        _, shape, kind, fortran, content = state
        self.fill(content, kind, shape, fortran=bool(fortran))

    def fill(self, content: object, kind: object, shape: Any, *, fortran: bool) -> _Array:
        if not isinstance(kind, _Type):
            msg = "an array without a type"
            raise TypeError(msg)
        if isinstance(content, list):
            flat: NDArray[Any] = np.empty(len(content), dtype=object)
            flat[:] = content
        elif isinstance(content, bytes | bytearray):
            flat = np.frombuffer(bytes(content), dtype=kind.numpy())
        else:
            msg = f"an array of {type(content).__name__}"
            raise TypeError(msg)
        self.values = flat.reshape(shape, order="F" if fortran else "C")
        return self


class _Reconstruct(metaclass=_Sealed):
    """`numpy._reconstruct`: an array that is filled later."""

    def __new__(cls, *_: object) -> _Array:  # type: ignore[misc]  # stands for a function
        return _Array()


class _FromBuffer(metaclass=_Sealed):
    """`numpy._frombuffer`: an array of the bytes given."""

    def __new__(cls, content: object, kind: object, shape: object, order: object) -> _Array:  # type: ignore[misc]
        return _Array().fill(content, kind, shape, fortran=order == "F")


class _Scalar(metaclass=_Sealed):
    """`numpy.scalar`: one number."""

    def __new__(cls, kind: _Type, content: bytes) -> Any:
        return np.frombuffer(content, dtype=kind.numpy())[0].item()


class _Encode(metaclass=_Sealed):
    """`codecs.encode`: how protocol 2 writes bytes."""

    def __new__(cls, text: str, encoding: str) -> bytes:  # type: ignore[misc]  # stands for a function
        if encoding != "latin1":
            msg = f"bytes in {encoding!r}"
            raise ValueError(msg)
        return text.encode("latin1")


class _Kind(metaclass=_Sealed):
    """A class that is only named: `ndarray`, `StringDtype`, an index."""

    def __init__(self, *_: object) -> None:
        pass


class _Range(_Kind):
    """`RangeIndex`."""


class _Texts(metaclass=_Sealed):
    """`StringArray`, pandas 3's columns of text."""

    __slots__ = ("values",)
    values: NDArray[Any]

    def __new__(cls, *_: object) -> _Texts:
        return object.__new__(cls)

    def __setstate__(self, state: tuple[object, ...]) -> None:
        array = next(part for part in state if isinstance(part, _Array))
        self.values = array.values


class _NewTexts(metaclass=_Sealed):
    """`__pyx_unpickle_NDArrayBacked`: text that is filled later."""

    def __new__(cls, *_: object) -> _Texts:  # type: ignore[misc]  # stands for a function
        return _Texts()


class _NewIndex(metaclass=_Sealed):
    """`_new_Index`: the labels of an axis."""

    def __new__(cls, kind: type, given: dict[str, Any]) -> Sequence[Any]:  # type: ignore[misc]  # stands for a function
        if kind is _Range:
            return range(given["start"], given["stop"], given["step"])  # not written out, however long
        return [_plain(value) for value in given["data"].values.tolist()]


class _Block(metaclass=_Sealed):
    """`_unpickle_block`: columns of one type, and their places."""

    __slots__ = ("places", "rows")

    def __init__(self, content: _Array | _Texts, places: slice | _Array, *_: object) -> None:
        values = content.values
        self.rows = values[None] if values.ndim == 1 else values
        width = range(10**6)
        self.places = [*width[places]] if isinstance(places, slice) else [int(place) for place in places.values]


class _Manager(metaclass=_Sealed):
    """`BlockManager`: blocks, and the labels of columns and rows."""

    __slots__ = ("axes", "blocks")

    def __init__(self, blocks: tuple[_Block, ...] | list[_Block], axes: list[Sequence[Any]], *_: object) -> None:
        self.blocks = blocks
        self.axes = axes

    def columns(self) -> Columns:
        names, labels = self.axes
        out: Columns = {}
        for block in self.blocks:
            if len(block.places) != len(block.rows) or block.rows.shape[1] != len(labels):
                msg = f"a block of {block.rows.shape} for {len(block.places)} columns and {len(labels)} rows"
                raise ValueError(msg)
            for place, row in zip(block.places, block.rows, strict=True):
                out[str(names[place])] = [_plain(value) for value in row.tolist()]
        if len(out) != len(names):
            msg = f"{len(out)} columns under {len(names)} names"
            raise ValueError(msg)
        return {str(name): out[str(name)] for name in names}


class _Frame(metaclass=_Sealed):
    """`DataFrame`."""

    __slots__ = ("manager",)
    manager: _Manager

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.manager = state["_mgr"]

    def columns(self) -> Columns:
        return self.manager.columns()


_NUMPY = {"_reconstruct": _Reconstruct, "scalar": _Scalar, "_frombuffer": _FromBuffer}
_NUMPY_HOMES = [f"numpy.{core}.{part}" for core in ("core", "_core") for part in ("multiarray", "numeric")]
_KNOWN: dict[tuple[str, str], type] = {
    **{(home, name): stub for home in _NUMPY_HOMES for name, stub in _NUMPY.items()},
    ("numpy", "ndarray"): _Kind,
    ("numpy", "dtype"): _Type,
    ("_codecs", "encode"): _Encode,
    **{(home, "slice"): slice for home in ("builtins", "__builtin__")},
    **{(home, "DataFrame"): _Frame for home in ("pandas", "pandas.core.frame")},
    **{(home, "Index"): _Kind for home in ("pandas", "pandas.core.indexes.base")},
    **{(home, "RangeIndex"): _Range for home in ("pandas", "pandas.core.indexes.range")},
    ("pandas.core.indexes.base", "_new_Index"): _NewIndex,
    ("pandas.core.internals.managers", "BlockManager"): _Manager,
    ("pandas._libs.internals", "_unpickle_block"): _Block,
    ("pandas._libs.arrays", "__pyx_unpickle_NDArrayBacked"): _NewTexts,
    **{(home, "StringArray"): _Texts for home in ("pandas.arrays", "pandas.core.arrays.string_")},
    **{(home, "StringDtype"): _Kind for home in ("pandas", "pandas.core.arrays.string_")},
}


class _Reader(pickle.Unpickler):
    """An unpickler to which no name means what it says."""

    def __init__(self, stream: Any, file: str) -> None:
        super().__init__(stream)
        self._file = file

    def find_class(self, module: str, name: str) -> type:
        found = _KNOWN.get((module, name))
        if found is None:
            mend = "do not load it in another way, and get the file from its publisher"
            if module.split(".")[0] in ("pandas", "pyarrow"):
                mend = "save the frame as parquet"
            msg = (
                f"{self._file} asks for {module}.{name}, which a frame of plain columns does not need; "
                f"nothing of it was run: {mend}"
            )
            raise DataError(msg)
        return found


def _check_memo(stream: BinaryIO) -> None:
    """Nothing is put at a place in the unpickler's memory beyond the file's length: it makes room up to that place.

    Raises:
        ValueError: something is, or this is no pickle.
    """
    size = stream.seek(0, SEEK_END)
    stream.seek(0)
    for code, place, _ in pickletools.genops(stream):
        if code.name in _PUTS and isinstance(place, int) and place > size:
            msg = f"place {place} in a file of {size} bytes"
            raise ValueError(msg)
    stream.seek(0)


def _plain(value: Any) -> Any:
    """None for NaN, with which pandas 3 marks missing text."""
    return None if isinstance(value, float) and value != value else value


def _check(name: str, values: list[Any], file: str) -> None:
    """Text, numbers, booleans and lists of these."""
    for row, value in enumerate(values):
        parts = value if isinstance(value, list) else [value]
        if not all(part is None or type(part) in (str, int, float, bool) for part in parts):
            found = type(value).__name__.strip("_")
            msg = f"{file}: row {row}, column {name!r} holds a {found}; a table has text, numbers and booleans"
            raise DataError(msg)
