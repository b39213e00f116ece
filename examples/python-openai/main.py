"""Talks to Unigate with OpenAI's own Python library, version 2 or 3."""

import asyncio
import json
import os
import sys

import openai
from openai import AsyncOpenAI, OpenAI
from openai.types.chat import (
    ChatCompletionMessageFunctionToolCallParam,
    ChatCompletionMessageParam,
    ChatCompletionToolParam,
)
from pydantic import BaseModel

BASE_URL = os.environ.get("OPENAI_BASE_URL", "http://localhost:8000")
API_KEY = os.environ.get("OPENAI_API_KEY", "")
MODEL = os.environ.get("UNIGATE_MODEL", "gpt-3.5-turbo")
TOOLS_MODEL = os.environ.get("UNIGATE_TOOLS_MODEL", MODEL)
JSON_MODEL = os.environ.get("UNIGATE_JSON_MODEL", MODEL)
EMBEDDING_MODEL = os.environ.get("UNIGATE_EMBEDDING_MODEL", "text-embedding-3-small")
MISSING_MODEL = os.environ.get("UNIGATE_MISSING_MODEL", "no-such-model")
QUESTION: list[ChatCompletionMessageParam] = [
    {"role": "system", "content": "Answer in one short sentence."},
    {"role": "user", "content": "What is the capital of France?"},
]
WEATHER: ChatCompletionToolParam = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather in a city right now.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
            "additionalProperties": False,
        },
    },
}


class Checks:
    """Counts what went well and stops the program at the first thing that did not."""

    def __init__(self) -> None:
        self.count = 0

    def that(self, holds: object, what: str) -> None:
        if not holds:
            sys.exit(f"failed: {what}")
        self.count += 1
        print(f"  {what}")


class City(BaseModel):
    """The answer we ask the model to give as data."""

    name: str
    country: str


def chat(client: OpenAI, checks: Checks) -> None:
    print("chat")
    answer = client.chat.completions.create(model=MODEL, messages=QUESTION, max_tokens=60, temperature=0.7)
    text = answer.choices[0].message.content
    print(f"    {text}")
    checks.that(text, "an answer has text")
    checks.that(answer.choices[0].finish_reason in ("stop", "length"), "it says why it ended")
    checks.that(answer.usage and answer.usage.total_tokens > 0, "it tells its usage")


def stream(client: OpenAI, checks: Checks) -> None:
    print("stream")
    pieces: list[str] = []
    finish = None
    for chunk in client.chat.completions.create(model=MODEL, messages=QUESTION, max_tokens=60, stream=True):
        # Indexing without looking is what most programs do: every chunk must have a choice.
        choice = chunk.choices[0]
        finish = choice.finish_reason or finish
        pieces.append(choice.delta.content or "")
    print(f"    {''.join(pieces)}")
    checks.that(len([piece for piece in pieces if piece]) > 1, "the answer came in pieces")
    checks.that(finish in ("stop", "length"), "the stream says why it ended")


def stream_with_usage(client: OpenAI, checks: Checks) -> None:
    print("stream with usage")
    chunks = list(
        client.chat.completions.create(
            model=MODEL, messages=QUESTION, stream=True, stream_options={"include_usage": True}
        )
    )
    usage = chunks[-1].usage
    checks.that(not chunks[-1].choices and usage, "the usage is the last chunk when asked for")


def run_tool(name: str, arguments: str) -> str:
    city = json.loads(arguments).get("city", "nowhere")
    print(f"    called {name} for {city}")
    return json.dumps({"city": city, "weather": "sunny", "celsius": 21})


def tool_loop(client: OpenAI, checks: Checks) -> None:
    print("tool loop")
    messages: list[ChatCompletionMessageParam] = [{"role": "user", "content": "What is the weather in Paris?"}]
    first = client.chat.completions.create(
        model=TOOLS_MODEL, messages=messages, tools=[WEATHER], tool_choice="required"
    ).choices[0]
    calls = [call for call in first.message.tool_calls or [] if call.type == "function"]
    if not calls:
        print("    the model did not call the tool; a larger one would")
        return
    checks.that(first.finish_reason == "tool_calls", "the answer ended to call a tool")
    asked: list[ChatCompletionMessageFunctionToolCallParam] = [
        {
            "id": call.id,
            "type": "function",
            "function": {"name": call.function.name, "arguments": call.function.arguments},
        }
        for call in calls
    ]
    messages.append({"role": "assistant", "content": first.message.content, "tool_calls": asked})
    for call in calls:
        result = run_tool(call.function.name, call.function.arguments)
        messages.append({"role": "tool", "tool_call_id": call.id, "content": result})
    last = client.chat.completions.create(model=TOOLS_MODEL, messages=messages, tools=[WEATHER]).choices[0]
    print(f"    {last.message.content}")
    checks.that(last.message.content, "the tool's result led to an answer")


def streamed_tools(client: OpenAI, checks: Checks) -> None:
    print("streamed tool call")
    names: dict[int, str] = {}
    arguments: dict[int, str] = {}
    for chunk in client.chat.completions.create(
        model=TOOLS_MODEL,
        messages=[{"role": "user", "content": "What is the weather in Paris?"}],
        tools=[WEATHER],
        tool_choice="required",
        stream=True,
    ):
        for piece in chunk.choices[0].delta.tool_calls or []:
            if piece.function:
                names[piece.index] = names.get(piece.index, "") + (piece.function.name or "")
                arguments[piece.index] = arguments.get(piece.index, "") + (piece.function.arguments or "")
    for index, name in names.items():
        run_tool(name, arguments[index])
        checks.that(name == "get_weather", "the pieces make one whole tool call")
        return
    print("    the model did not call the tool; a larger one would")


def parsed(client: OpenAI, checks: Checks) -> None:
    print("answer as data")
    answer = client.chat.completions.parse(
        model=JSON_MODEL,
        messages=[{"role": "user", "content": "Describe the capital of France."}],
        response_format=City,
    )
    city = answer.choices[0].message.parsed
    print(f"    {city!r}")
    checks.that(isinstance(city, City), "the answer fits the schema")


def embeddings(client: OpenAI, checks: Checks) -> None:
    print("embeddings")
    answer = client.embeddings.create(model=EMBEDDING_MODEL, input=["a cat", "a kitten", "a tax form"])
    vectors = [item.embedding for item in answer.data]
    print(f"    {len(vectors)} vectors of {len(vectors[0])} numbers")
    checks.that(len(vectors) == 3, "there is one vector for each text")
    checks.that(len({len(vector) for vector in vectors}) == 1, "all vectors have one length")


def models(client: OpenAI, checks: Checks) -> None:
    print("models")
    names = [model.id for model in client.models.list()]
    print(f"    {', '.join(names[:5])}{' …' if len(names) > 5 else ''}")
    checks.that(names, "at least one model is listed")
    checks.that(client.models.retrieve(names[0]).id == names[0], "a listed model can be looked up")


def errors(client: OpenAI, checks: Checks) -> None:
    print("errors")
    try:
        client.with_options(api_key="sk-wrong").chat.completions.create(model=MODEL, messages=QUESTION)
        checks.that(False, "a wrong key is an AuthenticationError")
    except openai.AuthenticationError as error:
        checks.that(error.status_code == 401, f"a wrong key is an AuthenticationError: {error.message}")
    try:
        client.chat.completions.create(model=MISSING_MODEL, messages=QUESTION)
        print("    the provider here answers to any name")
    except openai.NotFoundError as error:
        checks.that(error.status_code == 404, f"an unknown model is a NotFoundError: {error.message}")
    try:
        client.chat.completions.create(model=MODEL, messages=QUESTION, extra_body={"model": None})
        checks.that(False, "a request without a model is a BadRequestError")
    except openai.BadRequestError as error:
        checks.that(error.status_code == 400, f"a request without a model is a BadRequestError: {error.message}")


async def asynchronous(checks: Checks) -> None:
    print("async")
    async with AsyncOpenAI(base_url=BASE_URL, api_key=API_KEY) as client:
        answers = await asyncio.gather(
            *(client.chat.completions.create(model=MODEL, messages=QUESTION, max_tokens=60) for _ in range(3))
        )
        checks.that(all(answer.choices[0].message.content for answer in answers), "three calls at once are answered")
        stream = await client.chat.completions.create(model=MODEL, messages=QUESTION, max_tokens=60, stream=True)
        text = "".join([chunk.choices[0].delta.content or "" async for chunk in stream])
        print(f"    {text}")
        checks.that(text, "an async stream has text")


def main() -> None:
    print(f"openai {openai.__version__} at {BASE_URL}")
    checks = Checks()
    with OpenAI(base_url=BASE_URL, api_key=API_KEY) as client:
        for part in (chat, stream, stream_with_usage, tool_loop, streamed_tools, parsed, embeddings, models, errors):
            part(client, checks)
    asyncio.run(asynchronous(checks))
    print(f"ok: {checks.count} checks")


if __name__ == "__main__":
    try:
        main()
    except openai.OpenAIError as error:
        sys.exit(f"failed: {type(error).__name__}: {error}")
