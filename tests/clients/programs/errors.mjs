// Prints which error OpenAI's library throws for this model, unstreamed and streamed, without retries.
import OpenAI from 'openai';

const client = new OpenAI({
  apiKey: process.env.OPENAI_API_KEY, baseURL: process.env.OPENAI_BASE_URL, maxRetries: 0, timeout: 20_000,
});
const request = { model: process.env.UNIGATE_MODEL, messages: [{ role: 'user', content: 'Hello' }] };

async function plain() {
  return (await client.chat.completions.create(request)).choices[0].message.content;
}

async function streamed() {
  let text = '';
  for await (const chunk of await client.chat.completions.create({ ...request, stream: true })) {
    text += chunk.choices[0].delta.content ?? '';
  }
  return text;
}

for (const [name, call] of [['plain', plain], ['stream', streamed]]) {
  console.log(`${name}: ${await call().catch((error) => error.constructor.name)}`);
}
