"""A crossing for answers in one piece: the ask is rewritten one way, the whole answer the other."""

from __future__ import annotations

from typing import Generic, TypeVar

from unigate.call import Call
from unigate.conversation import Asked
from unigate.dialects.conversion import ClientHalf, Embedding, ProviderHalf, Reranking
from unigate.dialects.crossing import Straight, edit_content
from unigate.dialects.dialect import Dialect
from unigate.dialects.losses import Losses, Spoken
from unigate.dialects.ranking.ranking import RankAsk, Ranking
from unigate.dialects.translated import Translated
from unigate.dialects.vectors.vectors import EmbedAsk, Vectors
from unigate.errors import Fault, Kind
from unigate.target import Target
from unigate.usage import Usage

__all__ = ["Converted", "Crossing", "convert"]

A = TypeVar("A", bound=Spoken)
R = TypeVar("R", bound=Vectors | Ranking)

_LARGEST_WHOLE = 64 * 1024 * 1024


class Converted(Generic[A, R]):
    """One call between a client's format and a target's."""

    __slots__ = ("_ask", "_asked", "_client", "_gathered", "_provider", "_served", "_size", "dropped", "usage")

    # Whether the upstream is asked for a stream, and the client's answer is one.
    streams = False
    is_stream = False
    # What a call adds to the query of the address.
    query = ""

    _ask: A
    _asked: Asked

    def __init__(self, client: ClientHalf[A, R], served: Dialect, provider: ProviderHalf[A, R]) -> None:
        self._client = client
        self._served = served
        self._provider = provider
        self._gathered: list[bytes] = []
        self._size = 0
        # What the call has consumed, as far as it is known.
        self.usage = Usage()
        self.dropped: tuple[str, ...] = ()

    def outgoing(self, call: Call, target: Target) -> bytes:
        """The request body for the target. Raises Refusal if the target's format cannot say it."""
        assert call.body is not None, "a call with a JSON body was decoded at admission"
        self._ask = ask = self._client.read_ask(call.body, call.model)
        self._asked = Asked(call.id, target.model, call.started_ns // 1_000_000_000)
        losses = Losses(self._client.fields, self._served.name, strict=target.provider.refuses_hints)
        losses.begin(ask)
        content = edit_content(self._provider.write_ask(ask, target, losses), target.provider, losses)
        self.dropped = losses.dropped
        return content

    def begin(self, content_type: bytes) -> None:
        """An answer of these formats comes in one piece, whatever it is called."""

    def content_type(self, upstream: bytes) -> bytes:
        """The content type of the client's answer."""
        return b"application/json"

    def feed(self, chunk: bytes) -> bytes:
        """Gathers the answer, of which nothing can be passed on before its end."""
        self._gathered.append(chunk)
        self._size += len(chunk)
        if self._size > _LARGEST_WHOLE:
            raise Fault(Kind.TOO_LARGE, f"The upstream's answer is larger than {_LARGEST_WHOLE} bytes.")
        return b""

    def close(self) -> bytes:
        """The whole answer. Raises Fault if the upstream's is none."""
        answer = self._provider.read_answer(b"".join(self._gathered), self._ask)
        self.usage = answer.usage
        return self._client.write_answer(answer, self._ask, self._asked)

    def fault(self, status: int, headers: dict[bytes, bytes], content: bytes) -> Fault:
        """The fault behind an error answer."""
        return self._served.fault(status, headers, content)


Crossing = Straight | Translated | Converted[EmbedAsk, Vectors] | Converted[RankAsk, Ranking]
"""How one call's bytes reach one target and come back."""


def convert(asked: Dialect, spoken: Dialect) -> Converted[EmbedAsk, Vectors] | Converted[RankAsk, Ranking] | None:
    """The crossing from one dialect to another of its family, if they are of one."""
    if asked.converts is None:  # most have no family
        return None
    match asked.converts, spoken.converts:
        case Embedding(client=ClientHalf() as client), Embedding(provider=ProviderHalf() as provider):
            return Converted(client, spoken, provider)
        case Reranking(client=ClientHalf() as client), Reranking(provider=ProviderHalf() as provider):
            return Converted(client, spoken, provider)
        case _:
            return None
