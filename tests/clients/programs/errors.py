"""Prints which exception OpenAI's library raises for this model, unstreamed and streamed, without retries."""

import os

import openai

client = openai.OpenAI(
    api_key=os.environ["OPENAI_API_KEY"], base_url=os.environ["OPENAI_BASE_URL"], max_retries=0, timeout=20
)
model = os.environ["UNIGATE_MODEL"]


def plain() -> str:
    answer = client.chat.completions.create(model=model, messages=[{"role": "user", "content": "Hello"}])
    return answer.choices[0].message.content or ""


def streamed() -> str:
    stream = client.chat.completions.create(model=model, messages=[{"role": "user", "content": "Hello"}], stream=True)
    return "".join(chunk.choices[0].delta.content or "" for chunk in stream)


for name, call in (("plain", plain), ("stream", streamed)):
    try:
        print(f"{name}: {call()}")
    except openai.OpenAIError as error:
        print(f"{name}: {type(error).__name__}")
    except Exception as error:
        print(f"{name}: foreign {type(error).__name__}")
