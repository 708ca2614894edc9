"""RouterBench's pickles: read without pandas and without running anything that they name."""

from __future__ import annotations

import builtins
import collections
import os
import pickle
import subprocess
import sys

import numpy as np
import pytest

from pointsman.data.frame_pickle import read_frame_pickle
from pointsman.data.routerbench import read_routerbench
from pointsman.errors import DataError
from tests.support.frames import FRAMES


@pytest.fixture(params=FRAMES)
def frame(request, tmp_path):
    path = tmp_path / "frame.pkl"
    path.write_bytes(FRAMES[request.param])
    return path


def test_a_frame_is_its_columns(frame):
    columns = read_frame_pickle(frame)
    assert list(columns) == [
        "sample_id", "prompt", "eval_name", "gpt", "own", "gpt|model_response", "gpt|total_cost", "own|total_cost",
        "oracle_model_to_route_to", "n", "ok",
    ]  # fmt: skip
    assert columns["gpt"] == [1.0, 0.0, 0.5, 1.0]
    assert columns["gpt|model_response"] == ["r", "s", None, "t"]
    assert (columns["n"], columns["ok"]) == ([1, 2, 3, 4], [True, False, True, True])


def test_routerbenchs_layout_becomes_outcomes(frame):
    table = read_routerbench(frame)
    assert table.models == ("gpt", "own")
    assert table.scores.tolist() == [[1, 0], [0, 1], [0.5, 1], [1, 1]]
    assert table.costs is not None
    assert table.costs[:, 1].tolist() == [0.01, 0.02, 0.03, 0.04]
    assert table.tasks == ("arc", "arc", "mbpp", "arc")
    assert table.prompts[0] == "['Is it?']"
    assert table.prompt_ids == ("arc.1", "arc.2", "mbpp.1", "arc.1#3")


class Runs:
    """What a hostile file does: at loading, call a function with arguments of its choice."""

    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize(
    ("hostile", "asked"),
    [
        (lambda proof: Runs(os.system, f"touch {proof}"), "system"),
        (lambda proof: Runs(builtins.eval, f"open({str(proof)!r}, 'w')"), "eval"),
        (lambda proof: Runs(builtins.exec, f"open({str(proof)!r}, 'w')"), "exec"),
        (lambda proof: Runs(open, str(proof), "w"), "open"),
        (lambda proof: Runs(getattr, str, "format"), "getattr"),
        (lambda proof: Runs(subprocess.check_call, ["touch", str(proof)]), "check_call"),
        (lambda proof: Runs(__import__, "os"), "__import__"),
        (lambda proof: {"_mgr": Runs(os.system, f"touch {proof}")}, "system"),
        (lambda proof: Runs(np.load, str(proof)), "load"),
        (lambda proof: collections.OrderedDict(a=1), "OrderedDict"),
    ],
)
def test_a_pickle_that_would_run_something_is_refused_and_runs_nothing(tmp_path, hostile, asked, protocol):
    path, proof = tmp_path / "frame.pkl", tmp_path / "proof"
    path.write_bytes(pickle.dumps(hostile(proof), protocol=protocol))
    with pytest.raises(DataError, match=r"nothing of it was run") as refused:
        read_frame_pickle(path)
    assert asked in str(refused.value)
    assert str(refused.value).count("\n") == 0
    assert not proof.exists()


@pytest.mark.parametrize(
    "name", ["os.system", "posix.system", "nt.system", "builtins.eval", "pandas.io.pickle.read_pickle"]
)
def test_a_frame_with_a_foreign_call_in_its_midst_is_refused(tmp_path, name):
    """A whole frame, into which a call is spliced before its end."""
    path, proof = tmp_path / "frame.pkl", tmp_path / "proof"
    module, _, function = name.rpartition(".")
    call = f"c{module}\n{function}\n(S'touch {proof}'\ntR0".encode()
    path.write_bytes(FRAMES["pandas 2, protocol 2"][:-1] + call + b".")
    with pytest.raises(DataError, match=f"asks for {name}"):
        read_frame_pickle(path)
    assert not proof.exists()


def test_the_readers_own_parts_cannot_be_changed(tmp_path):
    """BUILD with a slot state sets attributes; on our classes it may set none."""
    path = tmp_path / "frame.pkl"
    path.write_bytes(b"cpandas\nDataFrame\n(N}S'columns'\nS'mine'\nst" + b"b.")
    with pytest.raises(DataError, match="not the pickle of a plain frame"):
        read_frame_pickle(path)
    path.write_bytes(FRAMES["pandas 2, protocol 4"])
    assert "gpt" in read_frame_pickle(path)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"", "not the pickle of a plain frame"),
        (b"not a pickle", "not the pickle of a plain frame"),
        (pickle.dumps([1, 2]), "holds a list, not a frame"),
        (pickle.dumps({"gpt": [1.0]}), "holds a dict, not a frame"),
        (FRAMES["pandas 2, protocol 4"][:-40], "not the pickle of a plain frame"),
        (FRAMES["pandas 2, protocol 4"].replace(b"f8", b"c8"), "not the pickle of a plain frame"),
        (b"cpandas\nDataFrame\n)\x81}S'_mgr'\nI1\nsb.", "not the pickle of a plain frame"),
        (b"\x80\x04cnumpy\ndtype\n(S'f8'\ntR.", "holds a Type"),
    ],
)
def test_what_is_no_frame_is_one_clear_error(tmp_path, content, text):
    path = tmp_path / "frame.pkl"
    path.write_bytes(content)
    with pytest.raises(DataError, match=text) as refused:
        read_frame_pickle(path)
    assert "frame.pkl" in str(refused.value)
    with pytest.raises(DataError, match="does not exist"):
        read_frame_pickle(tmp_path / "absent.pkl")


def test_any_damaged_byte_ends_in_our_error_or_in_columns(tmp_path):
    """A frame with one byte changed, 400 times: never another error, never a crash."""
    rng = np.random.default_rng(0)
    whole, path = FRAMES["pandas 2, protocol 4"], tmp_path / "frame.pkl"
    refused = 0
    for _ in range(400):
        content = bytearray(whole)
        content[rng.integers(len(whole))] = rng.integers(256)
        path.write_bytes(content)
        try:
            read_frame_pickle(path)
        except DataError:
            refused += 1
    assert refused > 100


@pytest.mark.parametrize("put", [b"r\xfe\xff\xff\xff", b"p4294967294\n"])
def test_a_few_bytes_cannot_ask_for_gigabytes_of_memo(tmp_path, put):
    path = tmp_path / "frame.pkl"
    path.write_bytes(b"\x80\x02]" + put + b".")
    with pytest.raises(DataError, match="place 4294967294 in a file of"):
        read_frame_pickle(path)


def test_an_index_that_claims_to_be_long_is_not_written_out(tmp_path):
    path = tmp_path / "frame.pkl"
    path.write_bytes(
        b"cpandas.core.indexes.base\n_new_Index\n(cpandas\nRangeIndex\n"
        b"(S'start'\nI0\nS'stop'\nL3000000000000L\nS'step'\nI1\ndtR."
    )
    with pytest.raises(DataError, match="holds a range, not a frame"):
        read_frame_pickle(path)


def test_pandas_is_not_imported(tmp_path):
    path = tmp_path / "frame.pkl"
    path.write_bytes(FRAMES["pandas 3, protocol 5"])
    code = (
        "import sys\nsys.modules['pandas'] = None\nfrom pointsman.data.frame_pickle import read_frame_pickle\n"
        f"print(len(read_frame_pickle({str(path)!r})))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)  # noqa: S603  # ours
    assert (done.stdout, done.stderr) == ("11\n", "")


def test_frames_of_the_pandas_that_is_installed(tmp_path):
    pandas = pytest.importorskip("pandas")
    path = tmp_path / "frame.pkl"
    frame = pandas.DataFrame({"prompt": ["a", "b"], "gpt": [1.0, None], "k": [["x", "y"], ["z"]]})
    frame = frame.astype(object).set_axis(pandas.Index(list(frame), dtype=object), axis=1)
    frame.to_pickle(path)
    columns = read_frame_pickle(path)
    assert columns["prompt"] == ["a", "b"]
    assert columns["k"] == [["x", "y"], ["z"]]
    frame.assign(when=pandas.to_datetime(["2024-01-01", "2024-01-02"])).to_pickle(path)
    with pytest.raises(DataError, match="save the frame as parquet"):
        read_frame_pickle(path)
