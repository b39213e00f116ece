// Talks to Unigate with nothing but the fetch that Node.js brings along.
const baseURL = (process.env.OPENAI_BASE_URL ?? 'http://localhost:8000').replace(/\/$/, '');
const apiKey = process.env.OPENAI_API_KEY ?? '';
const model = process.env.UNIGATE_MODEL ?? 'gpt-3.5-turbo';

let count = 0;

function check(holds, what) {
  if (!holds) throw new Error(what);
  count += 1;
  console.log(`  ${what}`);
}

class GatewayError extends Error {
  constructor(status, message) {
    super(`HTTP ${status}: ${message}`);
    this.status = status;
  }
}

class Chat {
  constructor(url, key) {
    this.url = `${url}/chat/completions`;
    this.headers = { Authorization: `Bearer ${key}`, 'Content-Type': 'application/json' };
  }

  async post(body) {
    const response = await fetch(this.url, { method: 'POST', headers: this.headers, body: JSON.stringify(body) });
    if (!response.ok) {
      const { error } = await response.json();
      throw new GatewayError(response.status, error.message);
    }
    return response;
  }

  async ask(messages, more = {}) {
    return (await this.post({ model, messages, ...more })).json();
  }

  // Parses events however the network cut them: a tail without its line's end waits for the next read.
  async *stream(messages, more = {}) {
    const response = await this.post({ model, messages, stream: true, ...more });
    let tail = '';
    for await (const text of response.body.pipeThrough(new TextDecoderStream())) {
      const lines = (tail + text).split('\n');
      tail = lines.pop();
      for (const line of lines) {
        if (!line.startsWith('data: ')) continue;
        const data = line.slice(6).trim();
        if (data === '[DONE]') return;
        const chunk = JSON.parse(data);
        if (chunk.error) throw new GatewayError(502, chunk.error.message);
        yield chunk;
      }
    }
    throw new GatewayError(502, 'the stream ended before its end');
  }
}

async function plain(client) {
  console.log('chat');
  const answer = await client.ask([{ role: 'user', content: 'Hello, world!' }], { max_tokens: 60 });
  console.log(`    ${answer.choices[0].message.content}`);
  check(answer.choices[0].message.content, 'an answer has text');
}

async function streamed(client) {
  console.log('stream');
  const pieces = [];
  for await (const chunk of client.stream([{ role: 'user', content: 'Tell me about JavaScript' }], { max_tokens: 60 })) {
    const content = chunk.choices[0].delta.content;
    if (content) pieces.push(content);
  }
  console.log(`    ${pieces.join('')}`);
  check(pieces.length > 1, 'the answer came in pieces, and the end was marked');
}

async function left(client) {
  console.log('leaving early');
  for await (const chunk of client.stream([{ role: 'user', content: 'Tell me a long story' }])) {
    check(chunk.choices[0], 'one chunk is enough');
    break;
  }
  const answer = await client.ask([{ role: 'user', content: 'Still there?' }], { max_tokens: 20 });
  check(answer.choices, 'the next call is answered as if nothing had been');
}

async function errors(client) {
  console.log('errors');
  for (const [status, what, call] of [
    [401, 'a wrong key', () => new Chat(baseURL, 'sk-wrong').ask([])],
    [400, 'a request without a model', () => client.ask([], { model: undefined })],
  ]) {
    const error = await call().then(() => null, (caught) => caught);
    check(error?.status === status, `${what} is ${error?.message ?? `HTTP ${status}`}`);
  }
}

try {
  console.log(`fetch on node ${process.version} at ${baseURL}`);
  const client = new Chat(baseURL, apiKey);
  for (const part of [plain, streamed, left, errors]) await part(client);
  console.log(`ok: ${count} checks`);
} catch (error) {
  console.error(`failed: ${error.message}`);
  process.exitCode = 1;
}
