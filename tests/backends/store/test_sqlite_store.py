from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest

from jupyter_mop.backends.store import sqlite_store as store_module
from jupyter_mop.backends.store.sqlite_store import Store, StoreCounts, content_key
from jupyter_mop.errors import StoreError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "folder" / "store.sqlite"


def run_python(code: str, *arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_values_are_read_after_the_file_was_closed(path: Path) -> None:
    with Store(path) as store:
        store.put("score", "a", b"1")
        store.put_many("vector", {"b": b"2", "c": b""})
    with Store(path) as store:
        assert store.get_many(["a", "b", "c", "d"]) == {"a": b"1", "b": b"2", "c": b""}
        assert store.get_many([]) == {}


def test_the_first_value_of_a_key_stays(path: Path) -> None:
    with Store(path) as store:
        store.put("score", "a", b"first")
        store.put("score", "a", b"second")
        assert store.get_many(["a"]) == {"a": b"first"}


def test_a_large_batch_is_one_query(path: Path) -> None:
    keys = [content_key("score", "m", number) for number in range(100_000)]
    with Store(path) as store:
        store.put_many("score", {key: key.encode() for key in keys[::2]})
        queries: list[str] = []
        store._connection.set_trace_callback(queries.append)
        found = store.get_many(keys)
    assert found == {key: key.encode() for key in keys[::2]}
    assert len(queries) == 1


def test_counts_are_by_kind_and_include_the_size(path: Path) -> None:
    with Store(path) as store:
        empty = store.counts()
        assert (empty.completions, empty.scores, empty.vectors) == (0, 0, 0)
        store.put("completion", "a", b"x")
        store.put_many("score", {"b": b"x", "c": b"x"})
        store.put_many("vector", {str(number): bytes(1000) for number in range(300)})
        counts = store.counts()
    assert counts == StoreCounts(1, 2, 300, counts.n_bytes)
    assert counts.n_bytes > 300_000


@pytest.mark.parametrize("parts", [("m", "tx"), ("m", "T"), ("n", "t"), ("mt",), ("m", "t", 0)])
def test_keys_differ_with_every_part(parts: tuple[object, ...]) -> None:
    assert content_key("vector", *parts) != content_key("vector", "m", "t")
    assert content_key("score", *parts) != content_key("vector", *parts)


def test_a_key_does_not_depend_on_the_process() -> None:
    key = content_key("score", "model", [["user", "Ünïcödé \ud800"]], 0.7)
    code = r"""
    from jupyter_mop.backends.store.sqlite_store import content_key
    print(content_key("score", "model", [["user", "Ünïcödé \ud800"]], 0.7))
    """
    assert run_python(code).communicate(timeout=60)[0].strip() == key


def test_a_store_from_a_newer_version_is_refused_and_unchanged(path: Path) -> None:
    with Store(path) as store:
        store.put("score", "a", b"1")
        store._connection.execute("PRAGMA user_version = 99")
    before = path.read_bytes()
    with pytest.raises(StoreError, match="schema 99") as caught:
        Store(path)
    assert "pip install -U" in caught.value.hint
    assert path.read_bytes() == before


def test_an_older_store_is_migrated(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Store(path) as store:
        store.put("score", "a", b"1")
    added = (*store_module.MIGRATIONS, ("CREATE TABLE notes (text TEXT)",))
    monkeypatch.setattr(store_module, "MIGRATIONS", added)
    for _ in range(2):
        with Store(path) as store:
            assert store.get_many(["a"]) == {"a": b"1"}
            assert store._connection.execute("SELECT * FROM notes").fetchall() == []
            assert store._pragma("user_version") == len(added)


def test_a_failed_migration_leaves_the_store_unchanged(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Store(path) as store:
        store.put("score", "a", b"1")
    broken = (*store_module.MIGRATIONS, ("CREATE TABLE notes (text TEXT)", "NO SQL"))
    monkeypatch.setattr(store_module, "MIGRATIONS", broken)
    with pytest.raises(StoreError):
        Store(path)
    monkeypatch.undo()
    with Store(path) as store:
        assert store._pragma("user_version") == len(store_module.MIGRATIONS)
        assert store.get_many(["a"]) == {"a": b"1"}


def test_a_file_that_is_not_a_database_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("not a database, but long enough to be read as one " * 20)
    with pytest.raises(StoreError, match=r"notes\.txt cannot be used") as caught:
        Store(file)
    assert "JUPYTER_MOP_STORE" in caught.value.hint
    assert file.read_text().startswith("not a database")


def test_another_programs_database_is_refused_and_unchanged(tmp_path: Path) -> None:
    file = tmp_path / "other.sqlite"
    other = sqlite3.connect(file)
    other.execute("CREATE TABLE places (url TEXT)")
    other.close()
    before = file.read_bytes()
    with pytest.raises(StoreError, match="another program's database"):
        Store(file)
    assert file.read_bytes() == before


def test_a_folder_that_cannot_be_created_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be used"):
        Store(tmp_path / "file" / "store.sqlite")
    with pytest.raises(StoreError, match="cannot be used"):
        Store(tmp_path)


def test_a_closed_store_is_reported(path: Path) -> None:
    store = Store(path)
    store.close()
    with pytest.raises(StoreError, match="closed"):
        store.put("score", "a", b"1")


def test_an_interrupted_transaction_leaves_a_usable_store(path: Path) -> None:
    with Store(path) as store:
        with pytest.raises(KeyboardInterrupt), store._transaction():
            raise KeyboardInterrupt
        store.put("score", "a", b"1")
        assert store.get_many(["a"]) == {"a": b"1"}


def test_threads_share_one_store(path: Path) -> None:
    with Store(path) as store:

        def work(worker: int) -> None:
            for number in range(50):
                store.put("score", f"{worker}-{number}", b"x")
                assert store.get_many([f"{worker}-{number}"])

        threads = [threading.Thread(target=work, args=(worker,)) for worker in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert store.counts().scores == 400


def test_processes_create_and_fill_one_store_at_once(path: Path) -> None:
    code = """
    import sys
    from jupyter_mop.backends.store.sqlite_store import Store
    path, name, go = sys.argv[1:]
    print("ready", flush=True)
    import pathlib, time
    while not pathlib.Path(go).exists():
        time.sleep(0.001)
    with Store(path) as store:
        for number in range(200):
            store.put("score", f"{name}-{number}", b"x")
            assert store.get_many([f"{name}-{number}"])
    """
    go = path.parent.parent / "go"
    workers = [run_python(code, path, name, go) for name in range(4)]
    for worker in workers:
        assert worker.stdout
        assert worker.stdout.readline() == "ready\n"
    go.touch()
    assert [worker.wait(timeout=60) for worker in workers] == [0] * 4
    with Store(path) as store:
        assert store.counts().scores == 800


def test_a_killed_process_loses_nothing_that_it_stored(path: Path) -> None:
    code = """
    import sys
    from jupyter_mop.backends.store.sqlite_store import Store
    store = Store(sys.argv[1])
    for number in range(10_000_000):
        store.put("score", str(number), b"x")
        print(number, flush=True)
    """
    worker = run_python(code, path)
    assert worker.stdout
    for line in worker.stdout:
        if int(line) >= 100:
            break
    worker.send_signal(signal.SIGKILL)
    n_reported = int(line) + len(worker.stdout.read().split("\n")[:-1])
    worker.wait()
    with Store(path) as store:
        stored = store.get_many(map(str, range(n_reported + 1)))
        assert len(stored) == n_reported + 1
        store.put("score", "after", b"x")
