// Vercel's AI SDK answers a question with a tool, streamed, through the provider that the first argument names.
import { createAnthropic } from '@ai-sdk/anthropic';
import { createGoogleGenerativeAI } from '@ai-sdk/google';
import { createOpenAI } from '@ai-sdk/openai';
import { jsonSchema, stepCountIs, streamText, tool } from 'ai';

const { JUDGE_URL: url, JUDGE_KEY: apiKey, JUDGE_MODEL: model } = process.env;
const flavours = {
  'openai.chat': () => createOpenAI({ baseURL: `${url}/v1`, apiKey }).chat(model),
  'openai.responses': () => createOpenAI({ baseURL: `${url}/v1`, apiKey })(model),
  'anthropic.messages': () => createAnthropic({ baseURL: `${url}/v1`, apiKey })(model),
  // This library takes a name with a slash for a whole path.
  'gemini.generate': () => createGoogleGenerativeAI({ baseURL: `${url}/v1beta`, apiKey })(`models/${model}`),
};
const city = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'], additionalProperties: false };
const answer = streamText({
  model: flavours[process.argv[2]](),
  prompt: 'What is the weather in Paris?',
  maxRetries: 0,
  stopWhen: stepCountIs(3),
  onError: ({ error }) => console.error(error),
  tools: {
    get_weather: tool({
      description: 'Tells the weather of a city.',
      inputSchema: jsonSchema(city),
      execute: async (told) => {
        console.log('tool:', told.city);
        return '21 degrees';
      },
    }),
  },
});
let text = '';
for await (const piece of answer.textStream) text += piece;
console.log('text:', text);
console.log('tokens:', (await answer.totalUsage).outputTokens > 0);
