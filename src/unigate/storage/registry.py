"""What administration sees and changes, and the file by which the doors are told of it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import msgspec

from unigate.accounting.prices import PriceTable, Section
from unigate.added import Added, open_providers, price_section_of
from unigate.admission.admins import Admin
from unigate.errors import StorageError
from unigate.secret import Secret
from unigate.snapshot import GroupEntry, Stored
from unigate.snapshot_file import SnapshotFile
from unigate.storage.calls import CallFilter
from unigate.storage.change import Desk, Named
from unigate.storage.group_office import GroupOffice
from unigate.storage.key_office import KeyOffice
from unigate.storage.keys import KeptGroup, KeptKey
from unigate.storage.provider_office import ProviderOffice
from unigate.storage.rollback import restore
from unigate.storage.store import Kept, Store
from unigate.storage.usage_sums import UsageFilter

__all__ = ["Registry"]

F = TypeVar("F", CallFilter, UsageFilter)

_KEEPER = Admin("keeper")

log = logging.getLogger("unigate.keeper")


class Registry:
    """Everything that administration knows; `stored` is what the doors were last told, or will be soon.

    `prices` reads the whole table of prices, which is needed only where there are made providers.
    """

    def __init__(
        self,
        store: Store,
        file: SnapshotFile,
        named: Named,
        seals: Sequence[Secret] = (),
        prices: Callable[[], PriceTable] = PriceTable,
    ) -> None:
        self._store = store
        self._file = file
        self.named = named
        self._lock = threading.Lock()
        self.desk = Desk(store.database, named, self._tell)
        self.keys = KeyOffice(self.desk)
        self.groups = GroupOffice(self.desk)
        self.providers = ProviderOffice(self.desk, seals)
        self._seals = seals
        self._prices = prices
        self._sections: tuple[frozenset[str], dict[str, Section]] = (frozenset(), {})
        self._is_resealed = False
        # The made providers, as `stored` has them.
        self.added = Added()
        self._take(store.kept())
        self.is_behind = True

    # --- what is there

    def key_lines(self) -> list[KeptKey]:
        """All keys, the file's first, then oldest first; of the file's nobody knows since when."""
        return [*(KeptKey(one, 0) for one in self.named.keys), *self.kept.keys]

    def organisation_lines(self) -> list[KeptGroup]:
        """All organisations in the same order."""
        return [*(KeptGroup(one, 0) for one in self.named.organisations), *self.kept.organisations]

    def project_lines(self) -> list[KeptGroup]:
        """All projects in the same order."""
        return [*(KeptGroup(one, 0) for one in self.named.projects), *self.kept.projects]

    def projects(self) -> Mapping[str, GroupEntry]:
        """All projects by id."""
        return {one.entry.id: one.entry for one in self.project_lines()}

    def may_see(self, by: Admin, project: str | None, organisation: str | None) -> bool:
        """Whether an admin sees a call that belonged there."""
        return by.confined is None or by.confined in (project, organisation)

    def confined(self, by: Admin, wanted: F) -> F | None:
        """A filter that finds nothing but what an admin sees; None if it asks for something else."""
        if by.confined is None:
            return wanted
        name = "project" if by.confined in self.projects() else "organisation"
        asked = wanted.project if name == "project" else wanted.organisation
        if asked not in (None, by.confined):
            return None
        return msgspec.structs.replace(wanted, **{name: by.confined})

    # --- what is changed all at once

    def restore(self, by: Admin, number: int) -> int:
        """Goes back to an older version; the number of the new one. Raises Refusal, StorageError."""
        return restore(self.desk, by, number)

    # --- the doors

    def keep_list(self, provider: str, models: Sequence[str]) -> None:
        """Keeps a provider's list of models. Raises StorageError."""
        if self._store.set_list(provider, models):
            self.publish()

    def follow(self) -> None:
        """Tells the doors what another gateway changed, and that the database was heard of. Raises StorageError."""
        if not self._is_resealed:
            self.providers.reseal(_KEEPER)
            self._is_resealed = True
        if self.is_behind or self._store.version() != self.stored.version:
            self.publish()
        self._file.tell_current()

    def publish(self) -> None:
        """Writes the file that the doors read. Raises StorageError, and `is_behind` stays set until it was written."""
        with self._lock:
            self.is_behind = True
            self._take(self._store.kept())
            self._file.write(self.stored)
            self.is_behind = False

    def _take(self, kept: Kept) -> None:
        """Knows from here on what was kept; says loudly which secrets cannot be opened here, and all others go on."""
        added = open_providers(kept.stored.providers, self._seals, self.added)
        for name in sorted({*added.broken} - {*self.added.broken}):
            log.error("provider.broken name=%s reason=%s", name, added.broken[name])
        self.kept: Kept = kept
        self.added = added
        self.stored: Stored = msgspec.structs.replace(kept.stored, sections=self._sections_for(kept.stored))

    def _sections_for(self, stored: Stored) -> dict[str, Section]:
        """The prices at the made providers."""
        names = frozenset(map(price_section_of, stored.providers))
        if names != self._sections[0]:
            self._sections = (names, self._prices().needed(names))
        return self._sections[1]

    def _tell(self, must_be_told: bool) -> None:
        """After a change: it is kept, so what the disk does not take now is told to the doors a little later."""
        try:
            self.publish()
        except StorageError as error:
            if must_be_told:
                raise
            log.error("snapshot.unwritable reason=%s", error)
