"""Fetching data sets from a server on loopback: whole, resumed, cut off, refused, changed."""

from __future__ import annotations

import hashlib
import json
import threading
import time

import numpy as np
import pytest

from pointsman.cli import main
from pointsman.data import fetch as fetching
from pointsman.data.fetch import Dataset, RemoteFile, catalogue, fetch
from pointsman.errors import ConfigurationError, DownloadError
from tests.support.file_server import FileServer, serving

CONTENT = np.random.default_rng(0).bytes(300_000)
SHA = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def server():
    with serving(FileServer({"/a.bin": CONTENT, "/b.txt": b"hello"})) as found:
        yield found


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    monkeypatch.setattr(time, "sleep", lambda _: None)


def one(server, sha256=SHA, path="set/a.bin", size=None):
    return Dataset("set", "", "", "", (RemoteFile(path, f"{server.address}/a.bin", size, sha256),))


def test_a_file_comes_whole_and_is_not_fetched_twice(server, tmp_path):
    told = []
    (path,) = fetch(one(server), tmp_path, progress=lambda *step: told.append(step))
    assert path == tmp_path / "set" / "a.bin"
    assert path.read_bytes() == CONTENT
    assert [p.name for p in path.parent.iterdir()] == ["a.bin"]
    assert told[-1] == ("set/a.bin", len(CONTENT), len(CONTENT))
    fetch(one(server), tmp_path)
    assert len(server.asked) == 1


def test_a_cut_connection_is_taken_up_where_it_ended(server, tmp_path):
    server.cut = [70_000, 90_000]
    (path,) = fetch(one(server), tmp_path)
    assert path.read_bytes() == CONTENT
    assert [wanted for _, wanted in server.asked] == [None, "bytes=70000-", "bytes=160000-"]


def test_a_later_call_goes_on_too(server, tmp_path):
    server.cut = [1000, 1000]
    with pytest.raises(DownloadError, match=r"broke off after 2,000 bytes, 2 times.* run the command again"):
        fetch(one(server), tmp_path, attempts=2)
    assert not (tmp_path / "set" / "a.bin").exists()
    (path,) = fetch(one(server), tmp_path)
    assert server.asked[-1] == ("/a.bin", "bytes=2000-")
    assert path.read_bytes() == CONTENT


def test_an_interrupt_keeps_what_came(server, tmp_path):
    def stop(_path, have, _all):
        if have:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(one(server), tmp_path, progress=stop)
    assert (tmp_path / "set" / "a.bin.part").stat().st_size > 0
    (path,) = fetch(one(server), tmp_path)
    assert path.read_bytes() == CONTENT
    assert server.asked[-1][1] is not None


def test_a_server_that_cannot_resume_begins_anew(server, tmp_path):
    server.cut, server.ranges = [5000], False
    (path,) = fetch(one(server), tmp_path)
    assert path.read_bytes() == CONTENT


def test_a_file_that_changed_meanwhile_is_not_mixed(server, tmp_path):
    server.cut = [5000]
    with pytest.raises(DownloadError):
        fetch(one(server, None), tmp_path, attempts=1)
    server.files["/a.bin"], server.etag = CONTENT[::-1], '"v2"'
    (path,) = fetch(one(server, None), tmp_path)
    assert path.read_bytes() == CONTENT[::-1]


def test_a_part_of_something_else_is_thrown_away(server, tmp_path):
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "a.bin.part").write_bytes(b"x" * 400)
    (path,) = fetch(one(server), tmp_path)
    assert path.read_bytes() == CONTENT
    assert [wanted for _, wanted in server.asked] == ["bytes=400-", None]


def test_a_part_that_is_whole_needs_nothing_more(server, tmp_path):
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "a.bin.part").write_bytes(CONTENT)
    (path,) = fetch(one(server), tmp_path)
    assert path.read_bytes() == CONTENT


def test_another_file_than_was_meant_is_refused_and_not_kept(server, tmp_path):
    server.files["/a.bin"] = CONTENT[:-1] + b"!"
    with pytest.raises(DownloadError, match=rf"not the file that was meant.* {SHA} was expected"):
        fetch(one(server), tmp_path)
    assert list((tmp_path / "set").glob("a.bin*")) in ([], [tmp_path / "set" / "a.bin.part.version"])


def test_without_a_known_hash_the_first_one_is_recorded_and_must_come_again(server, tmp_path):
    fetch(one(server, None), tmp_path)
    record = json.loads((tmp_path / "fetched.json").read_text())
    assert record == {"set/a.bin": {"sha256": SHA, "url": f"{server.address}/a.bin"}}
    fetch(one(server, None), tmp_path)
    assert len(server.asked) == 1
    (tmp_path / "set" / "a.bin").unlink()
    server.files["/a.bin"] = b"another"
    with pytest.raises(DownloadError, match="not the file that was meant"):
        fetch(one(server, None), tmp_path)


def test_a_server_in_trouble_is_asked_again_and_one_that_refuses_is_not(server, tmp_path):
    server.status = [503, 500]
    (path,) = fetch(one(server), tmp_path)
    assert path.read_bytes() == CONTENT
    server.asked.clear()
    missing = Dataset("set", "", "", "", (RemoteFile("c", f"{server.address}/c", None, SHA),))
    with pytest.raises(DownloadError, match="404"):
        fetch(missing, tmp_path)
    assert len(server.asked) == 1


def test_a_stream_without_a_length_that_is_cut_is_not_taken_for_whole(server, tmp_path):
    server.chunked, server.cut = True, [70_000] * 4
    with pytest.raises(DownloadError, match="broke off"):
        fetch(one(server, None), tmp_path)
    assert not (tmp_path / "set" / "a.bin").exists()
    server.cut = []
    (path,) = fetch(one(server, None), tmp_path)
    assert path.read_bytes() == CONTENT


def test_another_stretch_than_the_one_asked_for_is_not_appended(server, tmp_path):
    server.cut, server.shifted = [5000], 100
    (path,) = fetch(one(server, None), tmp_path)
    assert path.read_bytes() == CONTENT
    assert [wanted for _, wanted in server.asked] == [None, "bytes=5000-", None]


def test_nothing_at_all_is_no_file(server, tmp_path):
    server.files["/a.bin"] = b""
    with pytest.raises(DownloadError, match="not the file that was meant"):
        fetch(one(server, None), tmp_path)
    assert not (tmp_path / "fetched.json").exists()


def test_a_redirect_to_an_open_line_is_not_followed(server, tmp_path):
    server.redirect = "http://example.com/a.bin"
    with pytest.raises(ConfigurationError, match=r"example.com/a.bin is not an https address"):
        fetch(one(server), tmp_path)


@pytest.mark.parametrize("sha256", [SHA, None])
def test_several_at_once_fetch_it_once_and_whole(server, tmp_path, sha256):
    started, found = threading.Barrier(4), []

    def want():
        started.wait()
        found.extend(path.read_bytes() == CONTENT for path in fetch(one(server, sha256), tmp_path))

    threads = [threading.Thread(target=want) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [True] * 4
    assert len(server.asked) == 1
    assert sorted(path.name for path in (tmp_path / "set").iterdir()) == ["a.bin"]


def test_a_damaged_record_is_named(server, tmp_path):
    (tmp_path / "fetched.json").write_text('{"set/a.bin"')
    with pytest.raises(DownloadError, match=r"fetched.json is damaged .* delete it"):
        fetch(one(server, None), tmp_path)


def test_nobody_there_is_one_clear_error(server, tmp_path):
    nobody = Dataset("set", "", "", "", (RemoteFile("c", "http://127.0.0.1:9/c", None, SHA),))
    with pytest.raises(DownloadError, match="broke off after 0 bytes"):
        fetch(nobody, tmp_path, attempts=2, timeout=1)


@pytest.mark.parametrize(
    ("path", "url", "text"),
    [
        ("a", "http://example.com/a", "not an https address"),
        ("a", "file:///etc/passwd", "not an https address"),
        ("../a", "https://example.com/a", "leads out of the data folder"),
        ("/etc/a", "https://example.com/a", "leads out of the data folder"),
    ],
)
def test_what_is_not_safe_is_not_fetched(tmp_path, path, url, text):
    with pytest.raises(ConfigurationError, match=text):
        fetch(Dataset("set", "", "", "", (RemoteFile(path, url, None, None),)), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_command(server, tmp_path, monkeypatch, capsys):
    known = one(server)
    monkeypatch.setattr(fetching, "catalogue", lambda: {"set": known})
    assert main(["data", "fetch", "set", "--out", str(tmp_path)]) == 0
    assert "set: 1 files, 300,000 bytes" in capsys.readouterr().out
    monkeypatch.setenv("POINTSMAN_DATA", str(tmp_path / "other"))
    known = one(server, None)
    monkeypatch.setattr(fetching, "catalogue", lambda: {"set": known})
    assert main(["data", "fetch", "set", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["files"] == [str(tmp_path / "other" / "set" / "a.bin")]
    assert told["pinned"] is False
    assert main(["data", "fetch", "nothing"]) == 2
    assert "there is no data set 'nothing'; there are set" in capsys.readouterr().err


def test_the_catalogue_says_what_it_knows(capsys):
    known = catalogue()
    assert known["routellm"].pinned
    assert len(known["routellm"].files) == 63
    assert not known["routerbench"].pinned
    for dataset in known.values():
        assert dataset.licence
        for file in dataset.files:
            assert file.url.startswith("https://")
            assert file.sha256 is None or len(file.sha256) == 64
    assert main(["data", "list"]) == 0
    said = capsys.readouterr().out
    assert "on first fetch" in said
    assert main(["data", "list", "--json"]) == 0
    assert {each["name"] for each in json.loads(capsys.readouterr().out)} == set(known)


@pytest.mark.data
def test_the_pinned_hashes_are_those_of_the_files_at_hand(data_dir):
    for file in catalogue()["routellm"].files:
        content = (data_dir / file.path).read_bytes()
        assert (hashlib.sha256(content).hexdigest(), len(content)) == (file.sha256, file.size)
