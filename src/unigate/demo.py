"""The demo: models on this machine and a scripted upstream, as children, for a first try without any account."""

from __future__ import annotations

import ipaddress
import secrets
import socket

import msgspec

from unigate.local import Local
from unigate.price import Price, Rates
from unigate.secret import Secret
from unigate.target import Demo, Endpoint, Provider, Target, Timeouts

__all__ = ["DemoChild", "DemoPlan", "is_loopback", "plan_demo"]

# A child may still be loading while the first request is there already.
_TIMEOUTS = Timeouts(connect=20.0, first_byte=300.0, idle=120.0, total=900.0)
# Nobody sends a bill for it.
_PRICE = Price(rates=Rates(input=0, output=0), version="demo")
_ALL = (
    "openai.chat",
    "openai.completions",
    "openai.responses",
    "openai.embeddings",
    "openai.models",
    "openai.images",
    "openai.audio",
    "openai.moderations",
    "openai.rerank",
)


class DemoChild(msgspec.Struct, frozen=True):
    """One child of the demo: which module it runs, with which arguments, and what it is told."""

    name: str
    module: str
    arguments: tuple[str, ...]
    port: int
    key: Secret


class DemoPlan(msgspec.Struct, frozen=True):
    """The children to start and the catalog's part that leads to them."""

    children: tuple[DemoChild, ...]
    demo: Demo
    model: str | None


def plan_demo(local: Local) -> DemoPlan:
    """The demo with whatever models are installed."""
    script = _child("script", "unigate.mock", "--child", "--demo")
    children = [script]
    by_dialect: dict[str, Target] = {}
    if local.chat:
        chat = _child("chat-model", "unigate.local.chat")
        children.append(chat)
        target = Target(_provider(chat), local.chat_model, 1, _PRICE)
        by_dialect |= {"openai.chat": target, "openai.completions": target}
    if local.embed:
        embed = _child("embedding-model", "unigate.local.embed")
        children.append(embed)
        by_dialect["openai.embeddings"] = Target(_provider(embed), local.embed_model, 1, _PRICE)
    demo = Demo(by_dialect, Target(_provider(script), "unigate-demo", 1, _PRICE))
    return DemoPlan(tuple(children), demo, local.chat_model if local.chat else None)


def is_loopback(host: str) -> bool:
    """Whether an address can be reached from this machine alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _child(name: str, module: str, *arguments: str) -> DemoChild:
    return DemoChild(name, module, arguments, _free_port(), Secret(secrets.token_urlsafe(24)))


def _provider(child: DemoChild) -> Provider:
    endpoint = Endpoint(base_url=f"http://127.0.0.1:{child.port}/v1", speaks=_ALL)
    return Provider(
        name=child.name, endpoints=(endpoint,), key=child.key, timeouts=_TIMEOUTS, patient=True, max_connections=100
    )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
