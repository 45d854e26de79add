"""A link in a directory that everybody may write is not followed, if another user may have put it there."""

from __future__ import annotations

import os
import stat
from contextlib import closing
from pathlib import Path

import pytest

from promptlayer_patch._outbox import Address, Item, OutboxDirectory, Unusable
from promptlayer_patch._symlinks import resolved
from promptlayer_patch.records import Record, new_record_id
from promptlayer_patch.store import Store, StoreError
from promptlayer_patch.store.keys import local_key

pytestmark = pytest.mark.skipif(os.name == "nt", reason="there, access is no matter of modes")

ADDRESS = Address("https://api.promptlayer.com", "pl_test")
ANOTHER_USER = 54_321


@pytest.fixture
def anybodys(tmp_path: Path) -> Path:
    """A directory in which everybody may replace everything."""
    return directory(tmp_path / "anybodys", 0o777)


@pytest.fixture
def like_tmp(tmp_path: Path) -> Path:
    """One in which everybody may put something, and nobody replaces what is another's."""
    return directory(tmp_path / "like_tmp", 0o1777)


def directory(path: Path, mode: int) -> Path:
    path.mkdir()
    path.chmod(mode)
    return path


def given_away(path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root gives files away")
    os.chown(path, ANOTHER_USER, ANOTHER_USER, follow_symlinks=False)


def an_item() -> Item:
    return Item.of(Record(id=new_record_id(), function_name="openai.chat.completions.create"))


# --- the store


@pytest.mark.parametrize("read_only", [False, True])
@pytest.mark.parametrize("is_there", [False, True])
def test_a_linked_store_is_refused_where_everybody_may_write(
    tmp_path: Path, anybodys: Path, read_only: bool, is_there: bool
) -> None:
    target = tmp_path / "target.db"
    if is_there:
        Store.open(target).close()
    (anybodys / "requests.db").symlink_to(target)
    with pytest.raises(StoreError, match=r"symbolic link .*anybodys/requests\.db there, as everybody may"):
        Store.open(anybodys / "requests.db", read_only=read_only)
    assert target.exists() == is_there


def test_a_linked_directory_on_the_way_is_refused_too(tmp_path: Path, anybodys: Path) -> None:
    (anybodys / "data").symlink_to(tmp_path)
    (tmp_path / "outer.db").symlink_to("anybodys/data/requests.db")
    for path in (anybodys / "data" / "requests.db", tmp_path / "outer.db"):
        with pytest.raises(StoreError, match="anybodys/data there"):
            Store.open(path)
    assert not (tmp_path / "requests.db").exists()


def test_ones_own_link_is_followed_in_a_directory_like_tmp(tmp_path: Path, like_tmp: Path) -> None:
    (like_tmp / "requests.db").symlink_to("../target.db")
    with closing(Store.open(like_tmp / "requests.db")) as store:
        assert store.path == tmp_path.resolve() / "target.db"
    assert stat.S_IMODE((tmp_path / "target.db").stat().st_mode) == 0o600
    (like_tmp / "requests.db.key").symlink_to("../target.key")
    assert local_key(like_tmp / "requests.db") == (tmp_path / "target.key").read_text().strip()


def test_another_users_link_is_refused_in_a_directory_like_tmp(tmp_path: Path, like_tmp: Path) -> None:
    (like_tmp / "requests.db").symlink_to(tmp_path / "target.db")
    given_away(like_tmp / "requests.db")
    with pytest.raises(StoreError, match="another user may have put the symbolic link"):
        Store.open(like_tmp / "requests.db")
    assert not (tmp_path / "target.db").exists()


def test_another_users_store_is_refused_in_a_directory_like_tmp(like_tmp: Path, anybodys: Path) -> None:
    for place in (like_tmp, anybodys):
        Store.open(place / "requests.db").close()
        given_away(place / "requests.db")
    with pytest.raises(StoreError, match="another user may have put the file"):
        Store.open(like_tmp / "requests.db")
    Store.open(anybodys / "requests.db").close()  # a container's volume, of whatever user


def test_links_elsewhere_are_followed(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "way").symlink_to("there")
    (tmp_path / "there" / "requests.db").symlink_to("../real.db")
    Store.open(tmp_path / "way" / "requests.db").close()
    assert (tmp_path / "real.db").is_file()


# --- the key file


@pytest.mark.parametrize("is_there", [False, True])
def test_a_linked_key_file_is_refused_where_everybody_may_write(
    tmp_path: Path, anybodys: Path, is_there: bool
) -> None:
    if is_there:
        (tmp_path / "known.key").write_text("pl_local_known")
    (anybodys / "requests.db.key").symlink_to(tmp_path / "known.key")
    with pytest.raises(StoreError, match=r"symbolic link .*requests\.db\.key"):
        local_key(anybodys / "requests.db")
    assert (tmp_path / "known.key").exists() == is_there


def test_a_key_that_another_user_made_up_is_refused(like_tmp: Path) -> None:
    (like_tmp / "requests.db.key").write_text("pl_local_known")
    given_away(like_tmp / "requests.db.key")
    with pytest.raises(StoreError, match="another user may have put the file"):
        local_key(like_tmp / "requests.db")


# --- the outbox


def test_a_linked_outbox_is_refused_where_everybody_may_write(tmp_path: Path, anybodys: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (anybodys / "outbox").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Unusable, match="symbolic link"):
        OutboxDirectory(anybodys / "outbox").create(ADDRESS)
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_nothing_is_adopted_through_such_a_link(tmp_path: Path, anybodys: Path) -> None:
    real, linked = OutboxDirectory(tmp_path / "real"), OutboxDirectory(anybodys / "outbox")
    file = real.create(ADDRESS)
    file.put([an_item()])
    file.close()
    linked.path.symlink_to(real.path)
    assert list(linked.orphans(ADDRESS)) == []
    (found,) = real.orphans(ADDRESS)
    found.close()


@pytest.mark.parametrize("is_there", [False, True])
def test_what_was_rejected_goes_through_no_such_link(tmp_path: Path, anybodys: Path, is_there: bool) -> None:
    target = tmp_path / "target.db"
    if is_there:
        target.touch()
    (anybodys / "rejected.db").symlink_to(target)
    rejected = OutboxDirectory(anybodys).rejected
    with pytest.raises(Unusable, match="symbolic link"):
        rejected.add([an_item()], url="u", account="a", reason="no")
    assert target.exists() == is_there
    assert not is_there or target.read_bytes() == b""


# --- paths


def test_paths_lead_where_the_system_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "one" / "two").mkdir(parents=True)
    (tmp_path / "way").symlink_to("one/two")
    (tmp_path / "far").symlink_to(tmp_path / "way" / "..")
    monkeypatch.chdir(tmp_path / "way")
    for path in (".", "..", "x/../y", "../../far/z", f"{tmp_path}//way/./../q/", "/", "/nowhere/at/all"):
        assert resolved(path) == os.path.realpath(path)
    (tmp_path / "round").symlink_to("round")
    with pytest.raises(OSError, match="Too many levels"):
        resolved(tmp_path / "round")
