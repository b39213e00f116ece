"""LangChain answers a question with a tool, streamed, through the client that the first argument names."""

from __future__ import annotations

import os
import sys

from langchain_anthropic import ChatAnthropic
from langchain_core.messages import HumanMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI

URL, KEY, MODEL = (os.environ[f"JUDGE_{name}"] for name in ("URL", "KEY", "MODEL"))
FLAVOURS = {
    "openai.chat": lambda: ChatOpenAI(model=MODEL, base_url=f"{URL}/v1", api_key=KEY, max_retries=0, stream_usage=True),
    "openai.responses": lambda: ChatOpenAI(
        model=MODEL, base_url=f"{URL}/v1", api_key=KEY, max_retries=0, use_responses_api=True
    ),
    "anthropic.messages": lambda: ChatAnthropic(model=MODEL, base_url=URL, api_key=KEY, max_retries=0, max_tokens=500),
}


@tool
def get_weather(city: str) -> str:
    """Tells the weather of a city."""
    print("tool:", city)
    return "21 degrees"


def main() -> None:
    model = FLAVOURS[sys.argv[1]]().bind_tools([get_weather])
    messages: list = [HumanMessage("What is the weather in Paris?")]
    for _ in range(3):
        whole = None
        for chunk in model.stream(messages):
            whole = chunk if whole is None else whole + chunk
        messages.append(whole)
        if not whole.tool_calls:
            print("text:", whole.text)
            print("tokens:", whole.usage_metadata["output_tokens"] > 0)
            return
        messages += [
            ToolMessage(get_weather.invoke(call["args"]), tool_call_id=call["id"]) for call in whole.tool_calls
        ]


main()
