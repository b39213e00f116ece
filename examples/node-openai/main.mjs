// Talks to Unigate with OpenAI's own JavaScript library.
import OpenAI from 'openai';

const baseURL = process.env.OPENAI_BASE_URL ?? 'http://localhost:8000';
const apiKey = process.env.OPENAI_API_KEY ?? '';
const model = process.env.UNIGATE_MODEL ?? 'gpt-3.5-turbo';
const toolsModel = process.env.UNIGATE_TOOLS_MODEL ?? model;
const embeddingModel = process.env.UNIGATE_EMBEDDING_MODEL ?? 'text-embedding-3-small';
const missingModel = process.env.UNIGATE_MISSING_MODEL ?? 'no-such-model';
const messages = [
  { role: 'system', content: 'Answer in one short sentence.' },
  { role: 'user', content: 'What is the capital of France?' },
];
const tools = [
  {
    type: 'function',
    function: {
      name: 'get_weather',
      description: 'The weather in a city right now.',
      parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
    },
  },
];

let count = 0;

function check(holds, what) {
  if (!holds) throw new Error(what);
  count += 1;
  console.log(`  ${what}`);
}

async function chat(client) {
  console.log('chat');
  const answer = await client.chat.completions.create({ model, messages, max_tokens: 60, temperature: 0.7 });
  console.log(`    ${answer.choices[0].message.content}`);
  check(answer.choices[0].message.content, 'an answer has text');
  check(answer.usage?.total_tokens > 0, 'it tells its usage');
}

async function stream(client) {
  console.log('stream');
  const pieces = [];
  let finish = null;
  for await (const chunk of await client.chat.completions.create({ model, messages, max_tokens: 60, stream: true })) {
    // Indexing without looking is what most programs do: every chunk must have a choice.
    finish = chunk.choices[0].finish_reason ?? finish;
    pieces.push(chunk.choices[0].delta.content ?? '');
  }
  console.log(`    ${pieces.join('')}`);
  check(pieces.filter(Boolean).length > 1, 'the answer came in pieces');
  check(['stop', 'length'].includes(finish), 'the stream says why it ended');
}

function runTool(call) {
  const { city } = JSON.parse(call.function.arguments);
  console.log(`    called ${call.function.name} for ${city}`);
  return { role: 'tool', tool_call_id: call.id, content: JSON.stringify({ city, weather: 'sunny', celsius: 21 }) };
}

async function toolLoop(client) {
  console.log('tool loop');
  const talk = [{ role: 'user', content: 'What is the weather in Paris?' }];
  const first = await client.chat.completions.create({
    model: toolsModel, messages: talk, tools, tool_choice: 'required',
  });
  const calls = first.choices[0].message.tool_calls ?? [];
  if (calls.length === 0) {
    console.log('    the model did not call the tool; a larger one would');
    return;
  }
  check(calls[0].function.name === 'get_weather', 'the model called the tool');
  talk.push(first.choices[0].message, ...calls.map(runTool));
  const last = await client.chat.completions.create({ model: toolsModel, messages: talk, tools });
  console.log(`    ${last.choices[0].message.content}`);
  check(last.choices[0].message.content, "the tool's result led to an answer");
}

async function streamedTools(client) {
  console.log('streamed tool call');
  const runner = client.chat.completions.stream({
    model: toolsModel, messages: [{ role: 'user', content: 'What is the weather in Paris?' }], tools,
    tool_choice: 'required',
  });
  const call = (await runner.finalChatCompletion()).choices[0].message.tool_calls?.[0];
  if (!call) {
    console.log('    the model did not call the tool; a larger one would');
    return;
  }
  runTool(call);
  check(call.function.name === 'get_weather', 'the pieces make one whole tool call');
}

async function embeddings(client) {
  console.log('embeddings');
  const answer = await client.embeddings.create({ model: embeddingModel, input: ['a cat', 'a tax form'] });
  console.log(`    ${answer.data.length} vectors of ${answer.data[0].embedding.length} numbers`);
  check(answer.data.length === 2, 'there is one vector for each text');
}

async function models(client) {
  console.log('models');
  const names = [];
  for await (const item of client.models.list()) names.push(item.id);
  console.log(`    ${names.slice(0, 5).join(', ')}${names.length > 5 ? ' …' : ''}`);
  check(names.length > 0, 'at least one model is listed');
  check((await client.models.retrieve(names[0])).id === names[0], 'a listed model can be looked up');
}

async function expectError(kind, promise, what) {
  const error = await promise.then(() => null, (caught) => caught);
  check(error instanceof kind, `${what} is ${kind.name}: ${error?.message}`);
}

async function errors(client) {
  console.log('errors');
  const stranger = new OpenAI({ baseURL, apiKey: 'sk-wrong' });
  await expectError(OpenAI.AuthenticationError, stranger.chat.completions.create({ model, messages }), 'a wrong key');
  const call = client.chat.completions.create({ model: missingModel, messages });
  if (await call.then(() => true, () => false)) console.log('    the provider here answers to any name');
  else await expectError(OpenAI.NotFoundError, call, 'an unknown model');
  await expectError(OpenAI.BadRequestError, client.chat.completions.create({ messages }), 'a request without a model');
}

try {
  console.log(`openai on node ${process.version} at ${baseURL}`);
  const client = new OpenAI({ baseURL, apiKey });
  for (const part of [chat, stream, toolLoop, streamedTools, embeddings, models, errors]) await part(client);
  console.log(`ok: ${count} checks`);
} catch (error) {
  console.error(`failed: ${error.message}`);
  process.exitCode = 1;
}
