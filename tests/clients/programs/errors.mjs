// Prints which error OpenAI's library throws for each of these models, unstreamed and streamed, without retries.
import OpenAI from 'openai';

const client = new OpenAI({
  apiKey: process.env.OPENAI_API_KEY, baseURL: process.env.OPENAI_BASE_URL, maxRetries: 0, timeout: 20_000,
});
const messages = [{ role: 'user', content: 'Hello' }];

async function plain(model) {
  return (await client.chat.completions.create({ model, messages })).choices[0].message.content;
}

async function streamed(model) {
  let text = '';
  for await (const chunk of await client.chat.completions.create({ model, messages, stream: true })) {
    text += chunk.choices[0].delta.content ?? '';
  }
  return text;
}

for (const model of process.env.UNIGATE_MODELS.split(' ')) {
  for (const [name, call] of [['plain', plain], ['stream', streamed]]) {
    console.log(`${name} ${model}: ${await call(model).catch((error) => error.constructor.name)}`);
  }
}
