"""Which targets a model's name means: aliases first, then providers by name, by list, or by being the only one."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from random import Random
from typing import Final
from urllib.parse import quote

from unigate.dialects.dialect import Dialect
from unigate.dialects.table import DIALECTS, dialect_for
from unigate.errors import Refusal
from unigate.price import Price
from unigate.routing.policies import POLICIES
from unigate.routing.table import nearest
from unigate.target import Demo, Provider, Target
from unigate.tariff import tariff_of
from unigate.wire import sse
from unigate.wire.body import Body

_MOST_REMEMBERED: Final = 4096
# How a turn names what is no text, in any client's format, and where the turns are.
_MEDIA: Final = (
    *(b'"image"', b'"images"', b'"image_url"', b'"input_image"', b'"input_audio"', b'"input_file"', b'"file"'),
    *(b'"document"', b'"inlineData"', b'"inline_data"', b'"fileData"', b'"file_data"'),
)
_TURNS: Final = ("messages", "input", "contents")
_WHERE: Final = "GET /v1/models lists the names."

__all__ = ["Catalog", "Model", "PriceOf", "Route", "Way", "demo_way", "in_header"]

_CHAT: Final = DIALECTS["openai.chat"]


class Way:
    """A target, the dialect it is spoken to in, and what all calls that go there have in common."""

    __slots__ = ("dialect", "lines", "model", "names_model", "provider", "stream_words", "target", "tariff", "words")

    def __init__(self, target: Target, dialect: Dialect, *, names_model: bool = True, is_demo: bool = False) -> None:
        self.target = target
        self.dialect = dialect
        # Whether the body names the model; where the path alone does, a service may refuse it.
        self.names_model = names_model
        # None: unknown, which is never free.
        self.tariff = tariff_of(target.price) if target.price is not None else None
        self.provider = target.provider.name
        self.model = target.model
        # What the upstream is asked for: the dialect's word for it, and the path below the address.
        self.words = (dialect.name, dialect.operation)
        stream_path = dialect.stream_operation
        self.stream_words = (f"{dialect.name}.stream", stream_path) if stream_path else self.words
        # Who answers, as header lines.
        lines = f"x-unigate-model: {in_header(self.model)}\r\nx-unigate-provider: {self.provider}\r\n"
        self.lines = lines.encode() + (b"x-unigate-demo: true\r\n" if is_demo else b"")


@dataclass(frozen=True)
class Route:
    """A public name and where it leads."""

    name: str
    policy: str
    targets: tuple[Target, ...]


@dataclass(frozen=True)
class Model:
    """One line of the list of models."""

    id: str
    owned_by: str


PriceOf = Callable[[Provider, str], Price | None]
"""What a model costs at a provider, as long as the catalog lives."""


def _unknown(provider: Provider, model: str) -> None:
    return None


class Catalog:
    """All names a client may use, resolved in the documented order; what it resolved once, it remembers."""

    def __init__(
        self,
        providers: Mapping[str, Provider],
        routes: Mapping[str, Route],
        lists: Mapping[str, tuple[str, ...]],
        demo: Demo | None = None,
        price_of: PriceOf = _unknown,
        broken: Collection[str] = (),
    ) -> None:
        self.providers = providers
        # Those whose credentials cannot be opened here: what was meant for them goes nowhere else.
        self._broken = broken
        self.demo = demo
        self._price_of = price_of
        self._routes = routes
        self._lists = lists
        self._owners = _owners(lists)
        self._fixed: dict[tuple[str, str], tuple[Way, ...]] = {}
        # By the target's identity, which stays taken as long as its way is here.
        self._ways: dict[tuple[int, str], Way] = {}
        # A long list takes a tenth of a second to search for near names, and a client that is set wrong asks again.
        self._strange: dict[str, str] = {}

    def ways(self, name: str, dialect: Dialect, *, has_tools: bool, random: Random) -> tuple[Way, ...]:
        """The ways to try, in order; targets that speak the client's own format come before all others.

        None at all means that the dialect's own estimate is the answer. Raises Refusal (404) naming the nearest models,
        or what they do not speak.
        """
        if self.demo is not None:
            return (demo_way(self.demo, dialect, has_tools, name),) if dialect.estimate is None else ()
        known = self._fixed.get((name, dialect.name))
        return known if known is not None else self._find(name, dialect, random)

    def is_beyond_demo(self, body: Body | None) -> bool:
        """Whether a request shows the demo's model what it cannot read: a picture, a sound, a file."""
        if self.demo is None or body is None:
            return False
        return any(sse.has_any(bytes(body[name]), _MEDIA) for name in _TURNS if name in body)

    def _find(self, name: str, dialect: Dialect, random: Random) -> tuple[Way, ...]:
        route = self._routes.get(name)
        if route is not None and not route.targets:
            raise _unusable(name)
        found = POLICIES[route.policy](route.targets, random) if route else (self._lone_target(name),)
        spoken = ((target, dialect_for(target.provider, dialect)) for target in found)
        able = tuple(self._way(target, one) for target, one in spoken if one is not None)
        if not able and dialect.estimate is None:
            places = ", ".join(sorted({target.provider.name for target in found}))
            reason = f"Model '{name}' (at {places}) does not offer {dialect.name}."
            raise Refusal(404, "operation_not_supported", reason, param="model")
        able = tuple(sorted(able, key=lambda way: way.dialect is not dialect))
        if route is None or route.policy == "ordered":
            if len(self._fixed) >= _MOST_REMEMBERED:
                self._fixed.clear()
            self._fixed[(name, dialect.name)] = able
        return able

    def _way(self, target: Target, dialect: Dialect) -> Way:
        way = self._ways.get((id(target), dialect.name))
        if way is None:
            if len(self._ways) >= _MOST_REMEMBERED:
                self._ways.clear()
            endpoint = target.provider.endpoint(dialect.name)
            names_model = endpoint is None or endpoint.model_in_body
            way = self._ways[(id(target), dialect.name)] = Way(target, dialect, names_model=names_model)
        return way

    def _lone_target(self, name: str) -> Target:
        first, slash, rest = name.partition("/")
        if slash and rest and first in self.providers:
            return self._target(self.providers[first], rest)
        if slash and rest and first in self._broken:
            raise _unusable(name)
        owners = self._owners.get(name, ())
        if len(owners) == 1:
            return self._target(self.providers[owners[0]], name)
        if len(self.providers) == 1 and not self._broken:
            return self._target(next(iter(self.providers.values())), name)
        raise self.unknown(name)

    def _target(self, provider: Provider, model: str) -> Target:
        return Target(provider, model, 1, self._price_of(provider, model))

    def unknown(self, name: str) -> Refusal:
        """The 404 for a name nothing answers to."""
        text = self._strange.get(name)
        if text is None:
            if len(self._strange) >= _MOST_REMEMBERED:
                self._strange.clear()
            text = self._strange[name] = f"Model '{name}' is not configured{self._hint(name)}. {_WHERE}"
        return Refusal(404, "model_not_found", text, param="model")

    def _hint(self, name: str) -> str:
        owners = self._owners.get(name, ())
        if owners:
            return f"; say which: {', '.join(f'{owner}/{name}' for owner in owners)}"
        return nearest(name, [model.id for model in self.models()])

    def models(self) -> Iterator[Model]:
        """Every name worth listing; a name that several providers have is listed once for each, with its prefix."""
        if self.demo is not None:
            locals_ = {target.model: target.provider.name for target in self.demo.by_dialect.values()}
            yield from (Model(name, owner) for name, owner in (locals_ or {"unigate-demo": "unigate"}).items())
            return
        yield from (Model(one.name, one.targets[0].provider.name) for one in self._routes.values() if one.targets)
        for provider, names in self._lists.items():
            for name in names:
                if name not in self._routes:
                    is_lone = len(self._owners[name]) == 1
                    yield Model(name if is_lone else f"{provider}/{name}", provider)

    def find(self, name: str) -> Model:
        """The list's line for one name, also for a name that resolves without being listed. Raises Refusal (404)."""
        for model in self.models():
            if model.id == name:
                return model
        if self.demo is not None:
            return Model(name, "unigate")
        first, slash, rest = name.partition("/")
        if slash and rest in self._lists.get(first, ()):
            return Model(name, first)
        if any(self._lists.get(provider) for provider in self.providers):
            raise self.unknown(name)
        return Model(name, self._lone_target(name).provider.name)


def demo_way(demo: Demo, dialect: Dialect, has_tools: bool, name: str) -> Way:
    """The one way of a demo call; every format that can be translated ends at the same model."""
    spoken = _CHAT if dialect.client is not None else dialect_for(demo.script.provider, dialect) or dialect
    local = demo.by_dialect.get(spoken.name)
    if local is None or has_tools:
        local = Target(demo.script.provider, name, 1, demo.script.price)
    return Way(local, spoken, is_demo=True)


def in_header(name: str) -> str:
    """A name as a header can hold it: what it cannot is percent-encoded."""
    return name if name.isascii() and name.isprintable() else quote(name, safe="[]. ")


def _unusable(name: str) -> Refusal:
    reason = (
        f"Model '{name}' leads to a provider that was removed, or whose credentials this gateway cannot open; "
        "give it another target, or see in the gateway's log which secret is missing."
    )
    return Refusal(503, "provider_unusable", reason, type="server_error", param="model")


def _owners(lists: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    owners: dict[str, tuple[str, ...]] = {}
    for provider, names in lists.items():
        for name in dict.fromkeys(names):
            owners[name] = (*owners.get(name, ()), provider)
    return owners
