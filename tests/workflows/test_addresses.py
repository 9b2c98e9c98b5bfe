"""A LaunchPad's place is found from what the user says, and never shows a secret."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosinter.data.exceptions import InputError
from cosinter.workflows import addresses
from cosinter.workflows.addresses import VARIABLE, find_address, own_address, without_secrets

SECRET = "hush-hush"


@pytest.fixture(autouse=True)
def _no_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)


def write(tmp_path: Path, text: str, mode: int = 0o600) -> Path:
    path = tmp_path / "my_launchpad.yaml"
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)
    return path


def test_what_is_said_wins_over_the_variable_and_that_over_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert find_address(None, root=tmp_path).path == tmp_path / "launchpad.db"
    monkeypatch.setenv(VARIABLE, str(tmp_path / "variable.db"))
    assert find_address(None, root=tmp_path).path == tmp_path / "variable.db"
    assert find_address(tmp_path / "said.db", root=tmp_path).path == tmp_path / "said.db"
    monkeypatch.delenv(VARIABLE)
    with pytest.raises(InputError, match="no launchpad is given"):
        find_address(None)


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("mongodb://host", "mongodb://host/fireworks"),
        (f"mongodb://me:{SECRET}@host:1/db?tls=true", "mongodb://host:1/db"),
        (f"mongodb+srv://me:{SECRET}@cluster.example/db", "mongodb+srv://cluster.example/db"),
        ("sqlite:///folder/fw.db", "sqlite:///folder/fw.db"),
    ],
)
def test_addresses_show_where_and_not_who(given: str, shown: str) -> None:
    address = find_address(given)
    assert address.shown == str(address) == shown
    assert SECRET not in repr(address)


def test_a_file_of_fireworks_is_read(tmp_path: Path) -> None:
    text = f"host: h\nport: 7\nname: n\nusername: me\npassword: {SECRET}\nauthsource: a\nlogdir: null\n"
    address = find_address(write(tmp_path, text))
    assert address.shown == "mongodb://h:7/n"
    assert address.options["password"] == SECRET
    assert SECRET not in repr(address)
    assert address.notes == ()
    assert address.child_arguments() == ()
    assert address.child_environment() == {addresses.CHILD_VARIABLE: str(tmp_path / "my_launchpad.yaml")}


def test_a_password_that_others_can_read_is_noted(tmp_path: Path) -> None:
    path = write(tmp_path, f"host: h\npassword: {SECRET}\n", 0o644)
    assert find_address(path).notes == (
        f"{path} holds a password and others can read it; run: chmod 600 {path}",
    )


def test_a_file_may_name_an_embedded_store(tmp_path: Path) -> None:
    address = find_address(write(tmp_path, "host: sqlite:///folder/fw.db\nuri_mode: true\nname: fireworks\n"))
    assert address.path == Path("/folder/fw.db")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("hots: h", "did you mean 'host'"),
        ("port: many", "port must be of type int"),
        ("[1, 2]", "holds no keys"),
        ("host: [", "no valid YAML in line"),
        ("!!python/object/apply:os.abort []", "a tag"),
        ("port: 2001-99-99", "no valid YAML"),
        (f"host: {'[' * 2000}", "deep"),
        ("host: http://h\nuri_mode: true", "must begin with mongodb://"),
        ("host: mongodb://h", "add uri_mode: true"),
        ("host: h\nssl: true", "has no effect in FireWorks 2"),
    ],
)
def test_mistakes_in_a_file_are_one_sentence(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(InputError) as refused:
        find_address(write(tmp_path, text))
    assert said in str(refused.value)
    assert len(str(refused.value).splitlines()) == 1


@pytest.mark.parametrize("given", ["http://host", "sqlite://relative", "  ", "none/my_launchpad.yaml"])
def test_other_words_are_no_place(given: str) -> None:
    with pytest.raises(InputError):
        find_address(given)


@given(st.text(alphabet=st.characters(exclude_characters="/@?#"), min_size=8))
def test_no_password_survives(password: str) -> None:
    shown = without_secrets(f"mongodb://me:{password}@host/db?password={password}")
    assert shown == "mongodb://host/db"


def test_results_on_a_network_keep_their_index_on_a_local_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cosinter.workflows.embedded import connection

    remote = tmp_path / "remote"
    monkeypatch.setenv("COSINTER_HOME", str(tmp_path / "home"))
    kind = lambda path: "nfs4" if remote in (path, *path.parents) else "ext4"  # noqa: E731
    monkeypatch.setattr(connection, "file_system_type", kind)
    address = own_address(remote)
    assert address.path is not None
    assert address.path.parent == tmp_path / "home" / "launchpads"
    assert address.path.parent.stat().st_mode & 0o077 == 0
    assert own_address(remote).path == address.path
    assert own_address(remote / "other").path != address.path
    assert "network file system (nfs4)" in address.notes[0]
