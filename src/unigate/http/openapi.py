"""The OpenAPI document: the client API as the table of dialects has it, the door's own paths, and the administration.

What is said of each dialect is data in pages/openapi.json; one that nothing is said of yet appears in general words.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.resources import files

import msgspec

import unigate
from unigate.dialects.dialect import Dialect
from unigate.dialects.table import DIALECTS
from unigate.http import pages

__all__ = ["build_document"]

Part = dict[str, object]
"""A piece of the document, as JSON has it."""

_MODEL: Part = {
    "name": "model",
    "in": "path",
    "required": True,
    "schema": {"type": "string", "minLength": 1},
    "example": "gpt-4o-mini",
    "description": "A name may contain slashes, as they are or as `%2F` · 名称可含斜杠，原样或写作 `%2F`",
}
_AZURE_PARAMETERS: list[Part] = [
    {"name": "deployment", "in": "path", "required": True, "schema": {"type": "string"}, "example": "gpt-3.5-turbo"},
    {"name": "api-version", "in": "query", "schema": {"type": "string"}, "example": "2024-10-21"},
]


class _Told(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the data says of one dialect."""

    tag: str
    summary: str
    description: tuple[str, ...]
    request: str
    examples: Part = {}
    parameters: list[Part] = []
    answer: str = "AnyAnswer"
    answer_type: str = "application/json"
    answer_example: object = None
    stream_type: str = "text/event-stream"
    stream_example: str | None = None
    # The shape in which this dialect's clients are told of errors.
    error: str = "Error"


class _Data(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The data file."""

    about: tuple[str, ...]
    tags: list[Part]
    carried: dict[str, _Told]
    own: dict[str, Part]
    errors: dict[str, str]
    error_headers: Part
    answer_headers: Part
    schemas: Part


class _Admin(msgspec.Struct, frozen=True):
    """What is taken from FastAPI's document of the administration."""

    paths: dict[str, dict[str, Part]]
    components: dict[str, Part] = {}


def build_document(admin: Mapping[str, object], dialects: Mapping[str, Dialect] = DIALECTS) -> bytes:
    """The whole document as JSON; `admin` is FastAPI's own document of its routes."""
    data = msgspec.json.decode((files(pages) / "openapi.json").read_bytes(), type=_Data)
    administration = msgspec.convert(admin, _Admin)
    document: Part = {
        "openapi": "3.1.0",
        "info": {
            "title": "Unigate",
            "version": unigate.__version__,
            "description": "\n\n".join(data.about),
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [{"bearer": []}],
        "tags": data.tags,
        "paths": {**_carried(data, dialects), **data.own, **_azure(data, dialects), **_administration(administration)},
        "components": {
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "description": _KEY}},
            "schemas": {**data.schemas, **administration.components.get("schemas", {})},
            "headers": {**data.error_headers, **data.answer_headers},
            "responses": _errors(data),
        },
    }
    return msgspec.json.encode(document)


_KEY = (
    "A key made with `unigate keys create NAME`. The headers `x-api-key`, `api-key` and `x-goog-api-key` are taken as"
    " well, and `?key=`.\n\n"
    "用 `unigate keys create 名称` 新建的密钥；也可放在 `x-api-key`、`api-key`、`x-goog-api-key` 请求头或 `?key=` 中。"
)


def _carried(data: _Data, dialects: Mapping[str, Dialect]) -> Part:
    paths: Part = {}
    for dialect in dialects.values():
        if not dialect.serves_clients:
            continue
        told = data.carried.get(dialect.name) or _in_general(dialect)
        for path, operation in ((_path(dialect), dialect.operation), *((alias, alias) for alias in dialect.aliases)):
            paths.setdefault(path, {"post": _operation(data, dialect, told, _operation_id(operation))})
        streams = data.carried.get(f"{dialect.name}.stream")
        if streams is not None:
            path = dialect.stream_operation.partition("?")[0]
            paths[f"/v1beta{path}"] = {"post": _operation(data, dialect, streams, _operation_id(path))}
    return paths


def _path(dialect: Dialect) -> str:
    """Where the official clients of a dialect look for it."""
    if dialect.model_in == "path":
        return f"/v1beta{dialect.operation}"
    return dialect.operation if dialect.operation.startswith("/api/") else f"/v1{dialect.operation}"


def _azure(data: _Data, dialects: Mapping[str, Dialect]) -> Part:
    paths: Part = {}
    for dialect in dialects.values():
        if not dialect.name.startswith("openai.") or not dialect.serves_clients:
            continue
        told = data.carried.get(dialect.name) or _in_general(dialect)
        operation = _operation(data, dialect, told, f"azure_{_operation_id(dialect.operation)}")
        operation |= {"tags": ["Azure"], "parameters": _AZURE_PARAMETERS}
        paths[f"/openai/deployments/{{deployment}}{dialect.operation}"] = {"post": operation}
    return paths


def _administration(admin: _Admin) -> Part:
    return {
        path: {method: {**operation, "tags": ["Administration"]} for method, operation in item.items()}
        for path, item in admin.paths.items()
    }


def _operation(data: _Data, dialect: Dialect, told: _Told, operation_id: str) -> Part:
    request: Part = {"schema": {"$ref": f"#/components/schemas/{told.request}"}}
    if told.examples:
        request["examples"] = told.examples
    operation: Part = {
        "tags": [told.tag],
        "operationId": operation_id,
        "summary": told.summary,
        "description": "\n\n".join(told.description),
        "requestBody": {"required": True, "content": {_request_type(dialect): request}},
        "responses": {
            "200": {"description": "OK", "headers": _refs("headers", data.answer_headers), "content": _answers(told)},
            **{status: {"$ref": f"#/components/responses/{_response(told.error, status)}"} for status in data.errors},
        },
    }
    parameters = [_MODEL, *told.parameters] if dialect.model_in == "path" else told.parameters
    if parameters:
        operation["parameters"] = parameters
    return operation


def _answers(told: _Told) -> Part:
    if told.answer_type != "application/json":
        return {told.answer_type: {"schema": {"type": "string", "format": "binary"}}}
    whole: Part = {"schema": {"$ref": f"#/components/schemas/{told.answer}"}}
    if told.answer_example is not None:
        whole["example"] = told.answer_example
    if told.stream_example is None:
        return {"application/json": whole}
    stream: Part = {"schema": {"type": "string"}, "example": told.stream_example}
    return {"application/json": whole, told.stream_type: stream}


def _in_general(dialect: Dialect) -> _Told:
    return _Told(
        tag="Chat",
        summary=dialect.name,
        description=("Carried to providers that offer it.", "转发给支持该接口的服务商。"),
        request="AnyForm" if dialect.model_in == "form" else "AnyRequest",
    )


def _errors(data: _Data) -> Part:
    """Each error in each shape that some client reads."""
    shapes = {told.error for told in data.carried.values()}
    return {
        _response(shape, status): _error(data, words, shape)
        for shape in sorted(shapes)
        for status, words in data.errors.items()
    }


def _response(shape: str, status: str) -> str:
    return status if shape == "Error" else f"{shape}{status}"


def _error(data: _Data, words: str, shape: str) -> Part:
    schema: Part = {"$ref": f"#/components/schemas/{shape}"}
    return {
        "description": words,
        "headers": _refs("headers", data.error_headers),
        "content": {"application/json": {"schema": schema}},
    }


def _refs(section: str, names: Mapping[str, object]) -> Part:
    return {name: {"$ref": f"#/components/{section}/{name}"} for name in names}


def _request_type(dialect: Dialect) -> str:
    return "multipart/form-data" if dialect.model_in == "form" else "application/json"


def _operation_id(path: str) -> str:
    return re.sub(r"\W+", "_", path.replace("{model}", "")).strip("_")
