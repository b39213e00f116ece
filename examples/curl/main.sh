#!/usr/bin/env bash
# Talks to Unigate with curl alone.
set -euo pipefail

base=${OPENAI_BASE_URL:-http://localhost:8000}
base=${base%/}
key=${OPENAI_API_KEY:-}
model=${UNIGATE_MODEL:-gpt-3.5-turbo}
tools_model=${UNIGATE_TOOLS_MODEL:-$model}
count=0

check() { # check WHAT PATTERN TEXT: the text must match.
  if ! grep -q -e "$2" <<<"$3"; then
    printf 'failed: %s\n%s\n' "$1" "$3" >&2
    exit 1
  fi
  count=$((count + 1))
  printf '  %s\n' "$1"
}

ask() { # ask PATH [CURL-OPTION...]: the answer's body, or curl's own error.
  local path=$1
  shift
  curl -fsS "$base$path" -H "Authorization: Bearer $key" "$@"
}

post() { # post JSON [CURL-OPTION...]
  local body=$1
  shift
  ask /chat/completions -H 'Content-Type: application/json' -d "$body" "$@"
}

echo "$(curl --version | head -n 1 | cut -d ' ' -f 1,2) at $base"

echo 'health'
check 'the server is well' '"status": *"ok"' "$(curl -fsS "${base%/v1}/health")"

echo 'models'
answer=$(ask /models)
printf '    %.200s\n' "$answer"
check 'the models are a list' '"object": *"list"' "$answer"

echo 'chat'
answer=$(post '{"model": "'"$model"'", "max_tokens": 60, "temperature": 0.7, "messages": [
  {"role": "system", "content": "You are a helpful assistant."},
  {"role": "user", "content": "What is the capital of France?"}]}')
printf '    %.300s\n' "$answer"
check 'an answer has a message' '"message"' "$answer"
check 'it says why it ended' '"finish_reason": *"[a-z]' "$answer"

echo 'stream'
answer=$(post '{"model": "'"$model"'", "max_tokens": 60, "stream": true, "messages": [
  {"role": "user", "content": "Write a haiku about programming"}]}' -N)
printf '    %.300s\n' "$answer"
check 'the answer came in chunks' '^data: {.*chat.completion.chunk' "$answer"
check 'the end is marked' '^data: \[DONE\]' "$(tail -n 1 <<<"$answer")"

echo 'tools'
answer=$(post '{"model": "'"$tools_model"'", "tool_choice": "auto", "messages": [
  {"role": "user", "content": "What'\''s the weather like in Tokyo?"}],
  "tools": [{"type": "function", "function": {"name": "get_weather", "description": "The weather in a city",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}}]}')
printf '    %.400s\n' "$answer"
check 'a request with tools is answered' '"message"' "$answer"

echo 'errors'
status=$(curl -sS -o /dev/null -w '%{http_code}' "$base/models" -H 'Authorization: Bearer sk-wrong')
check 'a wrong key is HTTP 401' '^401$' "$status"
status=$(curl -sS -o /dev/null -w '%{http_code}' "$base/chat/completions" -H "Authorization: Bearer $key" \
  -H 'Content-Type: application/json' -d '{"messages": []}')
check 'a request without a model is HTTP 400' '^400$' "$status"

echo "ok: $count checks"
