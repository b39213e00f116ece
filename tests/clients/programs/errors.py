"""Prints which exception OpenAI's library raises for each of these models, unstreamed and streamed, without retries."""

import os
from collections.abc import Callable

import openai

client = openai.OpenAI(
    api_key=os.environ["OPENAI_API_KEY"], base_url=os.environ["OPENAI_BASE_URL"], max_retries=0, timeout=60
)
models = os.environ["UNIGATE_MODELS"].split()


def plain(model: str) -> str:
    answer = client.chat.completions.create(model=model, messages=[{"role": "user", "content": "Hello"}])
    return answer.choices[0].message.content or ""


def streamed(model: str) -> str:
    stream = client.chat.completions.create(model=model, messages=[{"role": "user", "content": "Hello"}], stream=True)
    return "".join(chunk.choices[0].delta.content or "" for chunk in stream)


def outcome(call: Callable[[str], str], model: str) -> str:
    try:
        return call(model)
    except openai.OpenAIError as error:
        return type(error).__name__
    except Exception as error:
        return f"foreign {type(error).__name__}"


for model in models:
    for name, call in (("plain", plain), ("stream", streamed)):
        print(f"{name} {model}: {outcome(call, model)}")
