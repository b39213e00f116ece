"""A request body as its top level: unharmed, and refused in words where it is no call."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from unigate.errors import Refusal
from unigate.wire.body import Body, decode_body, encode_body, few_quotes, flag_of, text_of
from unigate.wire.multipart import add_field, boundary_of, find_field

ODD = [
    b"{}",
    b'{"a":1}',
    b'{"a":1.0,"b":1e400,"c":-0,"d":12345678901234567890123}',
    b'{"a":"\\ud83d\\ude42","b":"\\u0000","c":"\xc3\xa9 \xf0\x9f\x99\x82"}',
    b'{"a":[[[{"b":[]}]]],"c":null,"d":true}',
    b'{"a":{"x":1,"x":2}}',
]


@pytest.mark.parametrize("content", ODD)
def test_values_keep_their_bytes(content: bytes) -> None:
    assert encode_body(decode_body(content)) == content


def test_of_a_key_given_twice_the_last_one_counts_and_is_sent() -> None:
    body = decode_body(b'{"model":"a","x":1,"model":"b"}')
    assert (text_of(body, "model"), json.loads(encode_body(body))) == ("b", {"model": "b", "x": 1})


def test_a_key_spelled_with_escapes_is_the_same_key() -> None:
    assert text_of(decode_body(b'{"mod\\u0065l":"a"}'), "model") == "a"


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"nonsense", b'{"a":1}x', b'{"a":}', b'{"a" 1}', b"{'a':1}", b'{"a":\xff}', b'{"a":"\\ud800"}'],
)
def test_what_is_not_json_is_refused(content: bytes) -> None:
    assert refused(content) == (400, "invalid_json")


@pytest.mark.parametrize("content", [b"[]", b"null", b"1", b'"a"', b"true"])
def test_what_is_not_an_object_is_refused(content: bytes) -> None:
    assert refused(content) == (400, "invalid_json")


@pytest.mark.parametrize("bomb", [b'{"a":' + b"[" * 100_000, b'{"a":' * 100_000, b"[" * 100_000])
def test_a_bomb_of_depth_is_refused(bomb: bytes) -> None:
    assert refused(bomb) in ((400, "json_too_deep"), (400, "invalid_json"))


def refused(content: bytes) -> tuple[int, str]:
    with pytest.raises(Refusal) as caught:
        decode_body(content)
    return caught.value.told.status, caught.value.told.code


# Long enough to be stepped over, in a body that is large enough for it.
LONG = b"one long word after another, " * 1200
WORDS = st.sampled_from([b"", b"a", LONG, LONG, LONG[:4096]])
ENDS = st.sampled_from(
    [
        b"",
        b"\\\\",
        b'\\"',
        b"\\",
        b"\\\\\\\\",
        b'\\"x',
        b'"',
        b"\n",
        b"\t",
        b"\0",
        b"\xff",
        b"\\q",
        b"\\u00e9",
        b"\x7fgap\x7f0000",
        b"\x7fgap\x7f!",
    ]
)
STRINGS = st.builds(b'"%b%b"'.__mod__, st.tuples(WORDS, ENDS))
NAMES = st.sampled_from([b'"a"', b'"a"', b'"model"', b'"mod\\u0065l"', b'"%b"' % LONG, b'"\xff"', b"1", b'"a'])


def objects(names: st.SearchStrategy[bytes], values: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    fields = st.builds(b"%b: %b".__mod__, st.tuples(names, values))
    return st.lists(fields, max_size=5).map(lambda all: b"{%b}" % b" ,".join(all))


VALUES = st.recursive(
    STRINGS | STRINGS | st.sampled_from([b"1", b"-0.5e9", b"null", b" true", b"01", b"{}", b"[]", b"tru", b"\\", b""]),
    lambda one: st.lists(one, max_size=3).map(lambda all: b"[%b]" % b",".join(all)) | objects(STRINGS, one),
    max_leaves=6,
)
BODIES = objects(NAMES, VALUES)


@given(BODIES, st.sampled_from([b"", b" ", b"x", b"}", b'"']))
@example(b'{"a":"%b","b":"%b","a":1}' % (LONG, LONG[::-1]), b"")
@example(b'{"a":"%b\\u1","model":"b","c":"x"}' % LONG, b"")
@example(b'{"a":"\x7fgap\x7f!","b":"%b"}' % LONG, b"")
def test_a_large_body_is_judged_as_a_small_one(content: bytes, after: bytes) -> None:
    content += after
    assert top_of(content) == told_by_the_decoder(content)


def top_of(content: bytes) -> dict[str, bytes] | None:
    try:
        return {name: bytes(value) for name, value in decode_body(content).items()}
    except Refusal:
        return None


def told_by_the_decoder(content: bytes) -> dict[str, bytes] | None:
    try:
        return {name: bytes(value) for name, value in msgspec.json.decode(content, type=Body).items()}
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


@pytest.mark.parametrize("words", [b"pasted " * 9000, b"aGVsbG8=" * 9000])
def test_long_plain_strings_are_stepped_over(words: bytes) -> None:
    # What the upstream alone will judge shows which strings were not read here.
    content = b'{"model":"m\\"","messages":[{"role":"user","content":"%b\x1b"}],"x":"\\\\","n":1}' % words
    assert encode_body(decode_body(content)) == content
    assert refused(content.replace(b"\x1b", b"\n")) == (400, "invalid_json")
    assert refused(content[:-1]) == (400, "invalid_json")


def test_of_many_short_strings_no_quote_is_looked_at() -> None:
    assert few_quotes(b'{"a":"%b"}' % (b"x" * 90000)) == [1, 3, 5, 90006]
    assert few_quotes(b'{"a":"x"}') is None
    assert few_quotes(json.dumps(["word"] * 9000).encode()) is None


def test_a_million_keys_are_only_slow() -> None:
    content = b"{" + b",".join(b'"k%d":1' % n for n in range(100_000)) + b"}"
    assert len(decode_body(content)) == 100_000


@pytest.mark.parametrize(("value", "text"), [(b'"a"', "a"), (b'"\\u00e9"', "é"), (b"null", None), (b'""', "")])
def test_a_text(value: bytes, text: str | None) -> None:
    assert text_of(decode_body(b'{"model":%b}' % value), "model") == text


@pytest.mark.parametrize("value", [b"5", b"true", b"[]", b"{}", b'"\xff"'])
def test_a_text_of_the_wrong_type_is_refused_by_name(value: bytes) -> None:
    with pytest.raises(Refusal) as caught:
        text_of(decode_body(b'{"model":%b}' % value), "model")
    assert (caught.value.told.status, caught.value.told.param) == (400, "model")


@pytest.mark.parametrize(("value", "flag"), [(b"true", True), (b" true ", True), (b"false", False), (b"null", False)])
def test_a_flag(value: bytes, flag: bool) -> None:
    assert flag_of(decode_body(b'{"stream":%b}' % value), "stream") is flag


@pytest.mark.parametrize("value", [b"1", b'"true"', b"[]"])
def test_a_flag_of_the_wrong_type_is_refused_by_name(value: bytes) -> None:
    with pytest.raises(Refusal) as caught:
        flag_of(decode_body(b'{"stream":%b}' % value), "stream")
    assert (caught.value.told.status, caught.value.told.param) == (400, "stream")


def test_what_is_absent_is_nothing() -> None:
    assert (text_of({}, "model"), flag_of({}, "stream")) == (None, False)


# --- forms

FORM = (
    b'--edge\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\nname="model"\r\n\r\n--edg\x00'
    b'\r\n--edge\r\nContent-Disposition: form-data; name="model"\r\nContent-Type: text/plain\r\n\r\nwhisper'
    b"\r\n--edge--\r\n"
)


def field(content: bytes, name: bytes) -> bytes | None:
    place = find_field(content, b"edge", name)
    return content[place[0] : place[1]] if place else None


def test_a_field_is_found_behind_a_file_that_looks_like_it() -> None:
    assert field(FORM, b"model") == b"whisper"


@pytest.mark.parametrize(
    ("content", "value"),
    [
        (FORM.replace(b"\r\n\r\nwhisper", b"\r\n\r\n"), b""),
        (b"preamble\r\n" + FORM, b"whisper"),
        (FORM.replace(b'"model"\r\nC', b"model\r\nC"), b"whisper"),
        (FORM.replace(b'; name="model"\r\nC', b'; name="model"; filename="f"\r\nC'), None),
        (FORM.replace(b'name="model"\r\nC', b'name="models"\r\nC'), None),
        (FORM[:-20], None),
        (b"", None),
        (b"--edge", None),
    ],
)
def test_a_field_in_odd_forms(content: bytes, value: bytes | None) -> None:
    assert field(content, b"model") == value


MODEL = b'Content-Disposition: form-data; name="model"'


@pytest.mark.parametrize(
    "part",
    [
        b"--edge\r\n" + MODEL + b"\r\n\r\nother\r\n",
        b"--edge\r\n" + MODEL + b'; filename="f"\r\n\r\nother\r\n',
        b"--edge\r\n" + MODEL.replace(b'"model"', b"model") + b"\r\n\r\nother\r\n",
        b"--edge\r\n" + MODEL.replace(b"name=", b"NAME = ") + b"\r\n\r\nother\r\n",
        b"--edge\r\nx: " + b"y" * 9000 + b"\r\n" + MODEL + b"\r\n\r\nother\r\n",
        b"--edge\r\n" + MODEL.replace(b'name="', b'name="x"; name="') + b"\r\n\r\nother\r\n",
        b'--edge\r\nContent-Disposition: form-data; name="x"\r\n' + MODEL + b"\r\n\r\nother\r\n",
        b"--edge\r\n" + MODEL.replace(b'name="', b"name*=\"utf-8''") + b"\r\n\r\nother\r\n",
        b"--edge\r\n" + MODEL.replace(b"mod", b"mod\\") + b"\r\n\r\nother\r\n",
        b'--edge\r\nContent-Disposition: form-data; name="x"\r\n\r\n\n--edge\n' + MODEL + b"\n\nother\n\r\n",
    ],
)
def test_a_form_that_two_parsers_could_read_differently_is_refused(part: bytes) -> None:
    for form in (part + FORM, FORM.replace(b"--edge--", part + b"--edge--")):
        with pytest.raises(Refusal) as caught:
            field(form, b"model")
        assert (caught.value.told.status, caught.value.told.code) == (400, "invalid_form")


@pytest.mark.parametrize("form", [FORM, b"preamble\r\n" + FORM])
def test_a_field_can_be_added(form: bytes) -> None:
    assert field(add_field(form, b"edge", b"new", b"value"), b"new") == b"value"


def test_ten_thousand_parts_take_no_time() -> None:
    part = b'--edge\r\nContent-Disposition: form-data; name="x"\r\n\r\ny\r\n'
    assert field(part * 10_000 + FORM, b"model") == b"whisper"


@pytest.mark.parametrize(
    ("content_type", "boundary"),
    [
        (b"multipart/form-data; boundary=abc", b"abc"),
        (b'multipart/form-data; boundary="a b:c"', b"a b:c"),
        (b"multipart/form-data; charset=utf-8; Boundary=----WebKit1", b"----WebKit1"),
        (b"multipart/form-data; xboundary=no; boundary=abc", b"abc"),
        (b"multipart/form-data", None),
        (b"application/json", None),
        (b"multipart/form-data; boundary=", None),
    ],
)
def test_a_boundary(content_type: bytes, boundary: bytes | None) -> None:
    assert boundary_of(content_type) == boundary
