// Vercel's AI SDK answers a question with a tool, streamed.
import { createInterface } from 'node:readline';
import { createAnthropic } from '@ai-sdk/anthropic';
import { createGoogleGenerativeAI } from '@ai-sdk/google';
import { createOpenAI } from '@ai-sdk/openai';
import { jsonSchema, stepCountIs, streamText, tool } from 'ai';

const CITY = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'], additionalProperties: false };
const MODELS = {
  'openai.chat': ({ url, key, model }) => createOpenAI({ baseURL: `${url}/v1`, apiKey: key }).chat(model),
  'openai.responses': ({ url, key, model }) => createOpenAI({ baseURL: `${url}/v1`, apiKey: key })(model),
  'anthropic.messages': ({ url, key, model }) => createAnthropic({ baseURL: `${url}/v1`, apiKey: key })(model),
  'gemini.generate': ({ url, key, model }) => createGoogleGenerativeAI({ baseURL: `${url}/v1beta`, apiKey: key })(model),
};

async function play(job, told) {
  const getWeather = tool({
    description: 'Tells the weather of a city.',
    inputSchema: jsonSchema(CITY),
    execute: async ({ city }) => {
      told.cities.push(city);
      return '21 degrees';
    },
  });
  const answer = streamText({
    model: MODELS[job.flavour](job),
    prompt: 'What is the weather in Paris?',
    maxRetries: 0,
    stopWhen: stepCountIs(3),
    tools: { get_weather: getWeather },
    onError: ({ error }) => { told.error = String(error); },
  });
  for await (const piece of answer.textStream) told.text += piece;
  told.counted = (await answer.totalUsage).outputTokens > 0;
}

for await (const line of createInterface({ input: process.stdin })) {
  const told = { cities: [], text: '', counted: false, error: null };
  try {
    await play(JSON.parse(line), told);
  } catch (error) {
    told.error ??= String(error);
  }
  process.stdout.write(`${JSON.stringify(told)}\n`);
}
