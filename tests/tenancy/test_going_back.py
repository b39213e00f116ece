"""Going back to an older version, with the models and providers that administration made."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from tenancy.test_made_providers import OLD, PROVIDER, at_the_door, registry
from unigate.admission.admins import OPERATOR
from unigate.errors import Refusal
from unigate.secret import Secret
from unigate.snapshot import RouteEntry
from unigate.target import Endpoint


def test_going_back_restores_models_and_leaves_providers_as_they_are(tmp_path: Path) -> None:
    office = registry(tmp_path, OLD)
    ours = office.providers
    other, gone = (msgspec.structs.replace(PROVIDER, name=name) for name in ("other", "gone"))
    first, lost = (
        RouteEntry("first", "ordered", (("made", "m", 1),)),
        RouteEntry("lost", "ordered", (("gone", "m", 1),)),
    )
    for one in (PROVIDER, other, gone):
        ours.put_provider(OPERATOR, one)
    for one in (first, lost, RouteEntry("second", "weighted", (("made", "m", 1), ("other", "n", 2)))):
        ours.put_route(OPERATOR, one)
    then = office.stored
    moved = msgspec.structs.replace(
        PROVIDER,
        endpoints=(Endpoint(base_url="http://127.0.0.1:9/v2", speaks=("openai.chat",)),),
        key=Secret("sk-given-since"),
    )
    ours.put_provider(OPERATOR, moved)
    ours.put_route(OPERATOR, RouteEntry("first", "ordered", (("other", "changed", 1),)))
    ours.put_route(OPERATOR, RouteEntry("since", "ordered", (("made", "m", 1),)))
    ours.end_route(OPERATOR, "second")
    ours.end_route(OPERATOR, "lost")
    ours.end_provider(OPERATOR, "gone")
    newest = office.stored
    made = office.restore(OPERATOR, then.version)

    assert office.stored.version == made
    assert office.stored.routes == tuple(one for one in then.routes if one.name != "lost")
    assert at_the_door(tmp_path, OLD) == {"made": moved, "other": other}
    office.restore(OPERATOR, newest.version)
    assert office.stored.routes == newest.routes
    with pytest.raises(Refusal, match="already those"):
        office.restore(OPERATOR, newest.version)
