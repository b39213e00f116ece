"""The configuration file: what it means, and that a bad one is refused with every reason at its line."""

import json
import time
from pathlib import Path

import pytest
import yaml

from unigate.admission.keys import hash_key
from unigate.config import (
    Config,
    KeySettings,
    LogSettings,
    ProviderSettings,
    RouteSettings,
    ServerSettings,
    TargetSettings,
)
from unigate.config_file import json_schema, load_config, load_table, read_config, resolve
from unigate.config_nodes import Problems, parse_nodes, plain
from unigate.errors import ConfigError
from unigate.routing.table import TableError, build_provider
from unigate.secret import Secret
from unigate.snapshot import KeyEntry, RouteEntry
from unigate.target import Timeouts

ROOT = Path(__file__).parent.parent
GOOD_KEY = "sk-ug-9f3KqWm27ZtRbV5x"


def loaded(text: str, **environment: str) -> Config:
    return load_config(text, "unigate.yaml", environment)


def refused(text: str, **environment: str) -> list[str]:
    """Every problem of a file, as `line: reason`."""
    with pytest.raises(ConfigError) as caught:
        loaded(text, **environment)
    return [str(problem).removeprefix("unigate.yaml:") for problem in caught.value.problems]


# --- What a file means


@pytest.mark.parametrize("text", ["", "\n", "# nothing yet\n", "providers:\nkeys:\nserver:\nlog:\n", "\ufeff"])
def test_an_empty_part_is_left_at_its_defaults(text: str) -> None:
    assert loaded(text) == Config()


def test_a_whole_file_becomes_the_settings_it_says() -> None:
    text = """
server: {host: 0.0.0.0, port: 9000, cors_origins: ["https://app.example"], drain: 2.5}
providers:
  openai: {api_key: sk-one}
  mine: {kind: openai, base_url: "http://10.0.0.5:9000/v1", api_key: sk-two, timeouts: {connect: 1}}
models:
  small: openai/gpt-4o-mini
  smart: {policy: weighted, targets: [{provider: openai, model: gpt-4o, weight: 3}, {provider: mine, model: big/one}]}
keys:
  - {name: team-a, key: sk-ug-9f3KqWm27ZtRbV5x, models: [smart]}
"""
    assert loaded(text) == Config(
        server=ServerSettings(host="0.0.0.0", port=9000, cors_origins=("https://app.example",), drain=2.5),
        providers={
            "openai": ProviderSettings(api_key=Secret("sk-one")),
            "mine": ProviderSettings(
                kind="openai",
                base_url="http://10.0.0.5:9000/v1",
                api_key=Secret("sk-two"),
                timeouts=Timeouts(connect=1),
            ),
        },
        models={
            "small": "openai/gpt-4o-mini",
            "smart": RouteSettings(
                (TargetSettings("openai", "gpt-4o", 3), TargetSettings("mine", "big/one")), "weighted"
            ),
        },
        keys=(KeySettings("team-a", Secret(GOOD_KEY), ("smart",)),),
    )


def test_the_example_file_is_good() -> None:
    environment = {"OPENAI_API_KEY": "sk-proj-x", "TEAM_A_KEY": GOOD_KEY}
    config = read_config(ROOT / "unigate.example.yaml", environment)
    assert resolve(config, load_table(), data="data", logs="logs", log_level="info").providers


@pytest.mark.parametrize("page", ["configuration.md", "configuration.zh.md"])
def test_every_example_in_the_documentation_is_good(page: str) -> None:
    blocks = (ROOT / "docs" / page).read_text("utf-8").split("```yaml\n")[1:]
    environment = {"OPENAI_API_KEY": "sk-proj-x", "AZURE_KEY": "az", "TEAM_A_KEY": GOOD_KEY, "PORT": "8001"} | {
        "WEB_KEY": GOOD_KEY[::-1],
        "GUEST_KEY": "sk-" + GOOD_KEY[:5:-1],
    }
    assert len(blocks) >= 4
    for block in blocks:
        load_config(block.split("```")[0], page, environment)


def test_both_languages_document_every_field() -> None:
    schema = json_schema()["$defs"]
    assert isinstance(schema, dict)
    fields = {name for one in schema.values() if isinstance(one, dict) for name in dict(one["properties"])}  # type: ignore[arg-type]
    for page in ("configuration.md", "configuration.zh.md"):
        text = (ROOT / "docs" / page).read_text("utf-8")
        assert {name for name in fields if f"`{name}`" not in text} == set()


def test_unquoted_words_mean_what_yaml_1_2_says() -> None:
    tree = parse_nodes("{a: no, b: 2024-10-21, c: 1:30, d: 010, e: 12, f: 1.5, g: true, h: ~, i: '12'}", Problems("x"))
    assert plain(tree) == {
        "a": "no", "b": "2024-10-21", "c": "1:30", "d": "010", "e": 12, "f": 1.5, "g": True, "h": None, "i": "12",
    }  # fmt: skip


def test_an_alias_repeats_and_a_merge_adds() -> None:
    text = "providers:\n  a: &a {kind: openai, api_key: one}\n  b: *a\n  c: {<<: *a, api_key: two}\n"
    assert loaded(text).providers == {
        "a": ProviderSettings(kind="openai", api_key=Secret("one")),
        "b": ProviderSettings(kind="openai", api_key=Secret("one")),
        "c": ProviderSettings(kind="openai", api_key=Secret("two")),
    }


# --- Variables


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("${NAME}", "value"),
        ("a-${NAME}-b", "a-value-b"),
        ("${NAME}${NAME}", "valuevalue"),
        ("${MISSING:-other}", "other"),
        ("${EMPTY:-other}", "other"),
        ("${NAME:-other}", "value"),
        ("$${NAME}", "${NAME}"),
        ("$NAME", "$NAME"),
    ],
)
def test_a_variable_is_replaced(written: str, meant: str) -> None:
    config = loaded(f"providers: {{openai: {{api_key: '{written}'}}}}", NAME="value", EMPTY="")
    assert config.providers["openai"].api_key == Secret(meant)


def test_a_variable_may_be_a_number() -> None:
    server = loaded("server: {port: '${PORT}', drain: '${DRAIN:-1.5}'}", PORT="8001").server
    assert (server.port, server.drain) == (8001, 1.5)


def test_a_number_in_quotes_is_text() -> None:
    assert refused("server: {port: '8001'}") == ["1: server.port: expected a whole number from 0 to 65535"]


def test_a_missing_variable_is_the_only_problem_of_its_field() -> None:
    text = "server: {port: '${PORT}'}\nproviders:\n  openai:\n    api_key: ${OPENAI_API_KEY}\n"
    assert refused(text) == [
        "1: the variable 'PORT' is not set; set it or write ${PORT:-default}",
        "4: the variable 'OPENAI_API_KEY' is not set; set it or write ${OPENAI_API_KEY:-default}",
    ]


@pytest.mark.parametrize("written", ["${", "${}", "${1A}", "${A", "${A:default}"])
def test_a_broken_reference_is_refused(written: str) -> None:
    assert refused(f"providers: {{openai: {{api_key: '{written}'}}}}", A="x") == [
        "1: '${' must be ${NAME} or ${NAME:-default}; for the text itself write $${"
    ]


def test_a_variable_is_not_replaced_in_a_name() -> None:
    assert refused("models: {'${NAME}': openai/x}\nproviders: {openai: {api_key: a}}", NAME="value") == [
        "1: variables are replaced in values only, not in names"
    ]


def test_an_unquoted_variable_in_braces_gets_a_hint() -> None:
    [problem] = refused("server: {port: ${PORT}}", PORT="1")
    assert problem.endswith('; inside { } put "${NAME}" in quotes')


# --- Every problem, each at its line


def test_all_problems_are_told_at_once_each_at_its_line() -> None:
    text = """server:
  hots: x
  port: eighty
providers:
  opnai: {api_key: a}
  mine:
    kind: opena
    base_url: ftp://x
  openai:
    api_key: sk-one
models:
  a: openia/gpt
  b:
    policy: weighed
    targets:
      - {provider: openai}
      - {provider: mein, model: x}
keys:
  - {name: a, key: short}
"""
    assert refused(text) == [
        "2: server: unknown field 'hots'; nearest: 'host', 'port'",
        "3: server.port: expected a whole number from 0 to 65535",
        "5: unknown kind 'opnai'; nearest: 'openai', 'zai', 'xai'; give 'kind' to name a known service",
        "7: providers.mine.kind: unknown kind 'opena'; nearest: 'openai', 'openrouter', 'poe'",
        "8: providers.mine.base_url: must begin with http:// or https:// and name a host",
        "12: models.a: no provider 'openia' is configured; nearest: 'openai', 'opnai'",
        "14: models.b.policy: expected 'ordered' or 'weighted'",
        "16: models.b.targets[0]: 'model' is missing",
        "17: models.b.targets[1]: no provider 'mein' is configured; nearest: 'mine'",
        "19: keys[0] ('a'): the key is shorter than 16 characters; make one with 'openssl rand -hex 32'",
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("servers: {}", "1: unknown field 'servers'; nearest: 'server', 'providers'"),
        ("- a", "1: the file must be a mapping; begin with 'providers:'"),
        ("just text", "1: the file must be a mapping; begin with 'providers:'"),
        ("server: []", "1: server: expected a mapping of names to values"),
        ("server: {port: 70000}", "1: server.port: expected a whole number from 0 to 65535"),
        ("server: {port: 8000.5}", "1: server.port: expected a whole number from 0 to 65535"),
        ("server: {port: true}", "1: server.port: expected a whole number from 0 to 65535"),
        ("server: {port: null}", "1: server.port: expected a whole number from 0 to 65535"),
        ("server: {drain: .nan}", "1: server.drain: expected a number of at least 0"),
        ("server: {keep_alive: 0}", "1: server.keep_alive: expected a number above 0"),
        ("server: {host: 127}", "1: server.host: expected text; put it in quotes"),
        ("server: {cors_origins: a}", "1: server.cors_origins: expected a list, each item text"),
        ("server: {cors_origins: [app.example]}",
         "1: server.cors_origins[0]: must begin with http:// or https:// and name a host"),
        ("server: {cors_origins: ['https://app.example/']}",
         "1: server.cors_origins[0]: must have no '/' at its end"),
        ("providers: [openai]", "1: providers: expected a mapping of names to values"),
        ("models: {a: []}", "1: models.a: expected 'provider/model', or a mapping with 'targets'"),
        ("models: {a: {targets: []}}", "1: models.a.targets: the list is empty"),
        ("models: {a: gpt-4o}", "1: models.a: expected 'provider/model', such as 'openai/gpt-4o-mini'"),
        ("keys: {a: b}", "1: keys: expected a list, each item with 'name' and 'key'"),
        ("keys: [a]", "1: keys[0]: expected a mapping of names to values"),
        ("keys: [{key: sk-ug-9f3KqWm27ZtRbV5x}]", "1: keys[0]: 'name' is missing"),
        ("database: mysql://u:p@h/d", "1: database: must be sqlite:///path or postgresql://user:password@host/name"),
        ("database: sqlite:///", "1: database: must name a file after its three slashes"),
        ("valkey: http://h:6379", "1: valkey: must be redis://user:password@host:6379/0"),
        ("valkey: redis://u:p/w@h:6379/0",
         "1: valkey: must name a host, as in redis://user:password@host:6379/0; "
         "write '@', '/' in a password as %40, %2F"),
        ("valkey: redis://h/x",
         "1: valkey: must end with the database's number, as in redis://host:6379/0"),
        ("database: postgresql://u:p@h",
         "1: database: must end with the database's name, as in postgresql://user:password@host/name"),
        ("database: postgresql://u:p/w@h:5432/d",
         "1: database: must name a host, as in postgresql://user:password@host:5432/name; "
         "write '@', '/' in a password as %40, %2F"),
        ("retention: {days: 0}", "1: retention.days: expected a whole number from 1 to 36500"),
    ],
)  # fmt: skip
def test_a_wrong_value_is_named_with_what_is_expected(text: str, problem: str) -> None:
    assert refused(text) == [problem]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("server: {admin: {port: 1}}", "admin"),
    ],
)
def test_what_this_version_cannot_enforce_is_refused_by_name(text: str, name: str) -> None:
    [problem] = refused(text)
    assert problem.endswith(f"'{name}' cannot be enforced by this version; remove it")


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ("openai: {}", "provider 'openai' needs api_key"),
        ("openai: {api_key: ''}", "providers.openai.api_key: is empty"),
        ('openai: {api_key: "sk-a\\n"}',
         "providers.openai.api_key: has a space, a line break or a character beyond ASCII; a header cannot carry it"),
        ("azure: {api_key: a}", "provider 'azure' needs base_url"),
        ("cloudflare: {api_key: a}", "provider 'cloudflare' needs account"),
        ("cloudflare: {api_key: a, account: 'x/../y'}",
         "providers.cloudflare.account: may hold only letters, digits, '.', '_' and '-'"),
        ("openai: {api_key: a, api_version: 2024-10-21}",
         "provider 'openai' gives api_version, which 'openai' has no use for; remove it"),
        ("'a/b': {kind: openai, api_key: a}",
         "providers: 'a/b' may hold only letters, digits, '.', '_' and '-'"),
        ("openai: {api_key: a, speaks: [openai.chats]}",
         "providers.openai.speaks: unknown format 'openai.chats'; "
         "nearest: 'openai.chat', 'openai.images', 'openai.moderations'"),
        ("openai: {api_key: a, speaks: []}",
         "providers.openai.speaks: names no format; leave it out for the usual ones"),
        ("openai: {api_key: a, headers: {Authorization: Bearer x}}",
         "providers.openai.headers: 'Authorization' carries a credential; "
         "give it as api_key, which is kept out of every log"),
        ('openai: {api_key: a, headers: {x-a: "b\\r\\nx-c: d"}}',
         "providers.openai.headers: 'x-a' must be printable ASCII, without a line break"),
        ("openai: {api_key: a, headers: {'x a': b}}", "providers.openai.headers: 'x a' is not a header's name"),
        ("openai: {api_key: a, headers: {Host: b}}",
         "providers.openai.headers: 'Host' is set by the gateway itself; remove it"),
        ("openai: {api_key: a, timeouts: {idle: 0}}", "providers.openai.timeouts.idle: expected a number above 0"),
        ("ollama: {origin: 'http://a:1/v1'}", "providers.ollama.origin: must end after the host and port"),
        ("ollama: {origin: 'http://a:1', base_url: 'http://a:1/v1'}",
         "provider 'ollama' gives base_url and origin; keep one"),
    ],
)  # fmt: skip
def test_a_provider_that_cannot_work_is_refused(entry: str, problem: str) -> None:
    assert refused(f"providers:\n  {entry}") == [f"2: {problem}"]


@pytest.mark.parametrize(
    ("address", "fault"),
    [
        ("api.example", "must begin with http:// or https:// and name a host"),
        ("ftp://api.example", "must begin with http:// or https:// and name a host"),
        ("https://", "must begin with http:// or https:// and name a host"),
        ("https://user:hunter2hunter2@api.example", "must not hold credentials; give them as api_key"),
        ("https://hunter2hunter2@api.example", "must not hold credentials; give them as api_key"),
        ("https://api.example/v1?key=hunter2hunter2", "must have no '?' or '#'"),
        ("https://api.example/v1#x", "must have no '?' or '#'"),
        ("https://api.example:99999", "is not a valid address; write https://host or http://host:port"),
        ("https://[::1", "is not a valid address; write https://host or http://host:port"),
        ("https://api.example/a b", "must be an address without spaces or control characters"),
    ],
)
def test_an_address_is_whole_and_holds_no_secret(address: str, fault: str) -> None:
    text = f"providers: {{openai: {{api_key: a, base_url: '{address}'}}}}"
    assert refused(text) == [f"1: providers.openai.base_url: {fault}"]


def test_a_weight_that_would_do_nothing_is_refused() -> None:
    text = "providers: {openai: {api_key: a}}\nmodels: {a: {targets: [{provider: openai, model: x, weight: 2}]}}"
    assert refused(text) == [
        "2: models.a.targets[0].weight: counts only with 'policy: weighted'; add that or remove this"
    ]


# --- Keys


@pytest.mark.parametrize(
    "key",
    [
        "short",
        "xxxxxxxxxxxxxxxxxxxx",
        "sk-xxxxxxxxxxxxxxxxxxxxxxxx",
        "sk-ug-aaaaaaaaaaaaaaaaaaaaaaaa",
        "changeme-changeme",
        "change-me-please-now",
        "sk-your-api-key-here",
        "your_secret_key_1234",
        "sk-1234567890abcdef",
        "abcdefghijklmnopqrst",
        "0123456789012345678",
        "a key with spaces in it",
        "schlüssel-mit-umlaut-9",
        "----------------",
    ],
)
def test_a_key_anyone_could_guess_or_nobody_can_send_is_refused(key: str) -> None:
    problems = refused(f"keys:\n  - name: a\n    key: '{key}'")
    assert len(problems) == 1
    assert problems[0].startswith("3: keys[0] ('a'): the key ")
    assert key not in problems[0].replace("is shorter than", "")


@pytest.mark.parametrize(
    "key", [GOOD_KEY, "sk-ug-client-5vR9wXb2LqTz8KpN", "0f9a3c77be12d4581c60aa9e35f7d2b4", "correct-horse-battery"]
)
def test_a_good_key_is_taken(key: str) -> None:
    assert loaded(f"keys: [{{name: a, key: '{key}'}}]").keys[0].key == Secret(key)


def test_a_name_or_key_given_twice_is_refused() -> None:
    text = f"keys:\n  - {{name: a, key: {GOOD_KEY}}}\n  - {{name: a, key: {GOOD_KEY}}}"
    assert refused(text) == [
        "3: keys[1]: the name 'a' is taken in line 2",
        "3: keys[1] ('a'): the same key belongs to 'a'; give each its own",
    ]


# --- Files that are not what they should be


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("server: {}\nserver: {}", "2: 'server' stands here twice; it is first given in line 1"),
        ("server:\n  port: 1\n  port: 2", "3: 'port' stands here twice; it is first given in line 2"),
        ("a: 1\n---\nb: 2", "2: the file holds a second document; keep one"),
        ("server: !!python/object/apply:os.system [ls]", "1: tags ('!…') are not allowed; remove it"),
        ("server: !env PORT", "1: tags ('!…') are not allowed; remove it"),
        ("? [a]\n: b", "1: a name must be plain text"),
        ("a: *sk-hidden-secret-1", "1: a word that begins with '*' is an alias, and it has no anchor; or quote it"),
        ("a: &a [*a]", "1: a word that begins with '*' is an alias, and it has no anchor; or quote it"),
        ("a: \x00", "1: the file has a character that YAML does not allow"),
        ("a: \ud800", "1: the file has a character that YAML does not allow"),
    ],
)  # fmt: skip
def test_a_file_that_is_not_plain_yaml_is_refused_at_its_line(text: str, problem: str) -> None:
    assert refused(text)[0] == problem


def test_broken_yaml_is_told_with_its_line() -> None:
    [problem] = refused("server:\n  port: 1\n bad: [")
    assert problem.startswith("3: this is not YAML: ")


def test_an_alias_bomb_is_refused_at_once() -> None:
    levels = [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    started = time.perf_counter()
    [problem] = refused("\n".join(["a0: &a0 [1]", *levels]))
    assert "means more than 100,000 values, aliases counted" in problem
    assert time.perf_counter() - started < 20  # to count them one by one takes hours


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("a: " + "[" * 10_000, "nested deeper than 64 levels"),
        ("a: [" + "1," * 100_001 + "]", "means more than 100,000 values"),
        ("#" * (5 * 1024 * 1024 + 1), "larger than 5 MiB"),
    ],
)
def test_a_file_too_large_to_be_meant_is_refused(text: str, part: str) -> None:
    [problem] = refused(text)
    assert part in problem


def test_no_secret_stands_in_a_problem() -> None:
    secret = "hunter2-hunter2-hunter2"
    text = f"""providers:
  a: {{kind: "${{SECRET}}", api_key: "{secret}", base_url: "https://u:{secret}@x"}}
  b: {{kind: openai, api_key: "x", speaks: ["${{SECRET}}"], headers: {{authorization: "{secret}"}}}}
  c: {{kind: "{secret}", api_key: "{secret}"}}
models: {{m: "${{SECRET}}/x", n: "${{SECRET}}"}}
keys: [{{name: k, key: "${{SECRET}} {secret}"}}, {{name: "${{SECRET}}", key: ["{secret}"]}}]
database: postgresql://u:{secret}@h
"""
    problems = refused(text, SECRET="hunter3-hunter3-hunter3")
    assert len(problems) >= 10
    assert "hunter" not in "\n".join(problems)
    assert "2: providers.a.kind: unknown kind '${SECRET}'" in problems
    assert "4: providers.c.kind: unknown kind '…'" in problems


def test_a_file_that_cannot_be_read_is_a_problem_not_a_crash(tmp_path: Path) -> None:
    latin = tmp_path / "latin.yaml"
    latin.write_bytes(b"a: 1\nb: \xe9\n")
    with pytest.raises(ConfigError, match=r"latin\.yaml:2: the file is not UTF-8"):
        read_config(latin, {})
    with pytest.raises(ConfigError, match=r"none\.yaml: the file cannot be read: No such file"):
        read_config(tmp_path / "none.yaml", {})


# --- Resolved


def test_settings_name_routes_and_hold_only_the_hash_of_a_key() -> None:
    config = loaded(
        "providers: {openai: {api_key: a}}\n"
        "models: {small: openai/a/b, both: {targets: [{provider: openai, model: x}]}}\n"
        f"keys: [{{name: team, key: {GOOD_KEY}, models: [small], role: admin}}]\n"
        "log: {keep_days: 7, rotate_mb: 1}\n"
    )
    settings = resolve(config, load_table(), data="d", logs="l", log_level="debug")
    assert (settings.data, settings.logs, settings.log_level) == ("d", "l", "debug")
    assert settings.log == LogSettings(keep_days=7, rotate_mb=1)
    assert [one.name for one in settings.providers] == ["openai"]
    assert settings.routes == (
        RouteEntry("small", "ordered", (("openai", "a/b", 1),)),
        RouteEntry("both", "ordered", (("openai", "x", 1),)),
    )
    digest = hash_key(GOOD_KEY.encode()).hex()
    assert settings.keys == (KeyEntry("key_file:team", "team", digest, "admin", ("small",)),)


@pytest.mark.parametrize(
    ("host", "address", "is_loop"),
    [
        ("127.0.0.1", "http://localhost:8000/v1", True),
        ("0.0.0.0", "http://127.0.0.1:8000", True),
        ("10.0.0.1", "http://10.0.0.1:8000", True),
        ("127.0.0.1", "http://[::1]:8000", True),
        ("127.0.0.1", "http://127.0.0.1:8001", False),
        ("10.0.0.1", "http://127.0.0.1:8000", False),
        ("0.0.0.0", "http://10.0.0.2:8000", False),
    ],
)
def test_a_provider_that_leads_back_here_is_refused(host: str, address: str, is_loop: bool) -> None:
    config = Config(
        server=ServerSettings(host=host, port=8000),
        providers={"me": ProviderSettings(kind="openai", api_key=Secret("a"), base_url=address)},
    )
    try:
        resolve(config, load_table(), data="d", logs="l", log_level="info")
        refusal = ""
    except ConfigError as error:
        refusal = str(error)
    loop = "configuration: provider 'me' leads back to this gateway; change its address or the port"
    assert refusal == (loop if is_loop else "")


# --- The table


def test_the_table_is_read_as_the_yaml_library_reads_it() -> None:
    text = (ROOT / "src" / "unigate" / "routing" / "providers.yaml").read_text("utf-8")
    assert plain(parse_nodes(text, Problems("x"))) == yaml.safe_load(text)


@pytest.mark.skipif(not yaml.__with_libyaml__, reason="PyYAML without libyaml is ten times slower")
def test_the_table_is_read_fast_enough_for_every_start() -> None:
    def took() -> float:
        started = time.perf_counter()
        load_table()
        return time.perf_counter() - started

    assert min(took() for _ in range(5)) < 0.1


def overridden(name: str, **facts: object) -> dict[str, tuple[str, str, frozenset[str]]]:
    settings = ProviderSettings(api_key=Secret("a"), **facts)  # type: ignore[arg-type]
    endpoints = build_provider(name, settings, load_table()).endpoints
    return {" ".join(sorted(one.speaks)): (one.base_url, one.auth, frozenset(one.headers)) for one in endpoints}


def test_an_address_of_ones_own_replaces_the_rows_and_leaves_its_further_ones_unused() -> None:
    version = frozenset({"anthropic-version"})
    assert overridden("gemini", base_url="https://mine/v1") == {
        "gemini.batch_embed gemini.count_tokens gemini.embed gemini.generate gemini.models": (
            "https://mine/v1",
            "x-goog-api-key",
            frozenset(),
        )
    }
    assert overridden("anthropic", base_url="https://mine/v1") == {
        "anthropic.count_tokens anthropic.messages anthropic.models": ("https://mine/v1", "x-api-key", version),
        "openai.chat": ("https://mine/v1", "bearer", frozenset()),
    }
    assert overridden("deepseek", base_url="https://mine/v1") == {
        "openai.chat openai.models": ("https://mine/v1", "bearer", frozenset())
    }


def test_formats_of_ones_own_choice_go_where_the_service_speaks_them() -> None:
    table = load_table()
    chat = overridden("gemini", speaks=("openai.chat",))
    assert chat == {"openai.chat": (table["gemini"].also[0].base_url, "bearer", frozenset())}
    assert overridden("openai", speaks=("openai.responses", "openai.rerank")) == {
        "openai.rerank openai.responses": (table["openai"].base_url, "bearer", frozenset())
    }
    assert overridden("anthropic", speaks=("anthropic.messages",), base_url="https://mine") == {
        "anthropic.messages": ("https://mine", "x-api-key", frozenset({"anthropic-version"}))
    }


def test_a_provider_without_an_empty_key_is_not_built() -> None:
    with pytest.raises(TableError, match="needs api_key"):
        build_provider("openai", ProviderSettings(api_key=Secret("")), load_table())


AMAZON = "access_key_id: AKID, secret_access_key: s"


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ("bedrock: {}", "provider 'bedrock' needs region"),
        ("bedrock: {region: a}", "provider 'bedrock' needs api_key, or access_key_id and secret_access_key"),
        (f"bedrock: {{region: 'a.evil.example/', {AMAZON}}}",
         "providers.bedrock.region: may hold only letters, digits, '.', '_' and '-'"),
        ("bedrock: {region: a, access_key_id: b, secret_access_key: 'c d'}",
         "providers.bedrock.secret_access_key: has a space, a line break or a character beyond ASCII; "
         "a header cannot carry it"),
        (f"openai: {{api_key: k, {AMAZON}}}",
         "provider 'openai' gives access_key_id and secret_access_key, which is of no use here; remove it"),
        ("vertex: {}", "provider 'vertex' needs project"),
        ("vertex: {project: p}", "provider 'vertex' needs access_token, or credentials_file"),
        ("vertex: {project: p/../q, access_token: t}",
         "providers.vertex.project: may hold only letters, digits, '.', '_' and '-'"),
        ("vertex: {project: p, credentials_file: none.json}",
         "providers.vertex.credentials_file: the file cannot be read: No such file or directory"),
    ],
)  # fmt: skip
def test_what_a_signing_provider_lacks_is_named(entry: str, problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(f"providers:\n  {entry}", "c.yaml", {})
    assert str(caught.value) == f"c.yaml:2: {problem}"


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ('{"type": "service_account"}', None),
        ('{"type": "authorized_user"}', None),
        ('{"type": "external_account"}',
         "the file is neither a service account's nor a user's ('authorized_user')"),
        ("{}", "the file is not a JSON object with a 'type'"),
        ("-----BEGIN PRIVATE KEY-----", "the file is not a JSON object with a 'type'"),
    ],
)  # fmt: skip
def test_a_credentials_file_is_looked_into(tmp_path: Path, content: str, fault: str | None) -> None:
    file = tmp_path / "sa.json"
    file.write_text(content, "utf-8")
    text = f"providers:\n  vertex: {{project: p, credentials_file: '{file}'}}"
    if fault is None:
        assert load_config(text, "c.yaml", {}).providers["vertex"].credentials_file == str(file)
        return
    with pytest.raises(ConfigError) as caught:
        load_config(text, "c.yaml", {})
    assert str(caught.value) == f"c.yaml:2: providers.vertex.credentials_file: {fault}"


def test_the_secrets_of_a_signing_provider_stay_out_of_every_problem() -> None:
    secrets = {"secret_access_key": "hush-secret", "session_token": "hush-session", "access_token": "hush-token"}
    given = ", ".join(f"{name}: {value}" for name, value in secrets.items())
    with pytest.raises(ConfigError) as caught:
        load_config(f"providers: {{hush-token: {{kind: bedrock, region: a b, {given}}}}}", "c.yaml", {})
    assert not any(value in str(caught.value) for value in secrets.values())
    provider = ProviderSettings(**{name: Secret(value) for name, value in secrets.items()})  # type: ignore[arg-type]
    assert "hush" not in repr(provider)


# --- The schema


def test_the_schema_in_the_documentation_is_current() -> None:
    kept = json.loads((ROOT / "docs" / "unigate.schema.json").read_text("utf-8"))
    assert kept == json_schema(), "run: unigate check --schema > docs/unigate.schema.json"


def test_the_schema_lets_a_variable_stand_for_a_number() -> None:
    port = json.loads(json.dumps(json_schema()))["$defs"]["ServerSettings"]["properties"]["port"]
    assert port["anyOf"][0] == {"type": "integer", "minimum": 0, "maximum": 65535}
    assert port["anyOf"][1]["type"] == "string"
    assert port["default"] == 8000
