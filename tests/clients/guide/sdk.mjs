// OpenAI's JavaScript library as most people start with it: three calls at once, errors only printed.
import OpenAI from 'openai';

const openai = new OpenAI({ apiKey: process.env.OPENAI_API_KEY, baseURL: process.env.OPENAI_BASE_URL });
const model = process.env.UNIGATE_MODEL ?? 'gpt-3.5-turbo';

async function basic() {
  const answer = await openai.chat.completions.create({
    model, messages: [{ role: 'user', content: 'How can you help me today?' }], max_tokens: 150, temperature: 0.7,
  });
  console.log(`plain: ${answer.choices[0].message.content}`);
}

async function streamed() {
  let text = '';
  for await (const chunk of await openai.chat.completions.create({
    model, messages: [{ role: 'user', content: 'Write a short poem' }], stream: true, max_tokens: 200,
  })) text += chunk.choices[0]?.delta?.content || '';
  console.log(`stream: ${text}`);
}

async function list() {
  const answer = await openai.models.list();
  answer.data.forEach((item) => console.log(`model: ${item.id}`));
}

for (const part of [basic, streamed, list]) {
  part().catch((error) => console.error('Error:', error.response?.data || error.message));
}
