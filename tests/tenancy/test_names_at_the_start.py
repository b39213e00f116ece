"""A name that stands in the configuration file and in the database is refused at the start; the first keys evade."""

from __future__ import annotations

from pathlib import Path

import pytest

from unigate.admission.admins import OPERATOR
from unigate.clock import wall
from unigate.errors import ConfigError
from unigate.first_start import make_first_keys
from unigate.snapshot import GroupEntry, KeyEntry
from unigate.snapshot_file import SnapshotFile
from unigate.storage.change import Named
from unigate.storage.opening import open_database
from unigate.storage.registry import Registry
from unigate.storage.store import Store

NAMED = Named(
    (KeyEntry("key_file:team", "team", "00"),),
    (GroupEntry("org_file:acme", "acme"),),
    (GroupEntry("proj_file:web", "web"),),
)


def test_what_is_named_twice_is_told_by_name(tmp_path: Path) -> None:
    make_first_keys(tmp_path)
    store = Store(open_database(None, tmp_path), wall)
    registry = Registry(store, SnapshotFile(tmp_path / "snapshot.json"), Named())
    registry.keys.make(OPERATOR, KeyEntry("", "team", ""))
    registry.groups.make_project(OPERATOR, GroupEntry("", "web"))
    store.close()

    with pytest.raises(ConfigError) as refused:
        make_first_keys(tmp_path, named=NAMED)
    assert [problem.reason for problem in refused.value.problems] == [
        "the key 'team' is named here and in the database; rename it here, or end the other one",
        "the project 'web' is named here and in the database; rename it here, or end the other one",
    ]
    assert make_first_keys(tmp_path, named=Named(NAMED.keys[1:], NAMED.organisations)) is None


def test_the_first_keys_take_other_names_than_the_files(tmp_path: Path) -> None:
    file = Named((KeyEntry("key_file:admin", "admin", "00"),))
    assert make_first_keys(tmp_path, named=file) is not None
    store = Store(open_database(None, tmp_path), wall)
    names = [one.name for one in store.stored().keys]
    store.close()

    assert [name.startswith("admin-") for name in names] == [True, False]
    assert make_first_keys(tmp_path, named=file) is None
