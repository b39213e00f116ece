"""The first program of most people: OpenAI's library, no precautions."""

import os

from openai import OpenAI

client = OpenAI(api_key=os.environ["OPENAI_API_KEY"], base_url=os.environ["OPENAI_BASE_URL"])
model = os.environ.get("UNIGATE_MODEL", "gpt-3.5-turbo")
weather = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Get weather information for a location",
        "parameters": {
            "type": "object",
            "properties": {"location": {"type": "string", "description": "A city"}},
            "required": ["location"],
        },
    },
}


def basic() -> None:
    answer = client.chat.completions.create(
        model=model,
        messages=[{"role": "system", "content": "Be brief."}, {"role": "user", "content": "How are you?"}],
        max_tokens=150,
        temperature=0.7,
    )
    print("plain:", answer.choices[0].message.content)


def streamed() -> None:
    stream = client.chat.completions.create(
        model=model, messages=[{"role": "user", "content": "Tell me a story"}], stream=True, max_tokens=200
    )
    print("stream: ", end="")
    for chunk in stream:
        if chunk.choices[0].delta.content is not None:
            print(chunk.choices[0].delta.content, end="", flush=True)
    print()


def function_calling() -> None:
    answer = client.chat.completions.create(
        model=model,
        messages=[{"role": "user", "content": "What is the weather like in Beijing?"}],
        tools=[weather],
        tool_choice="auto",
    )
    print("tool:", answer.choices[0].message.tool_calls[0].function.name)


basic()
streamed()
function_calling()
