// Judges chat completions with OpenAI's own library for JavaScript.
import OpenAI from 'openai';
import { converse, same, serve } from './judging.mjs';

function opening(job) {
  const told = job.system ? [{ role: 'system', content: job.system }] : [];
  told.push(...(job.history ?? []).map(([role, content]) => ({ role, content })));
  const picture = { type: 'image_url', image_url: { url: `data:image/png;base64,${job.image}` } };
  const content = job.image ? [{ type: 'text', text: job.prompt }, picture] : job.prompt;
  return [...told, { role: 'user', content }];
}

function choice(wanted) {
  return ['auto', 'none', 'required'].includes(wanted) ? wanted : { type: 'function', function: { name: wanted } };
}

function settings(job) {
  const told = { model: job.model };
  if (job.limit) told.max_completion_tokens = job.limit;
  if (job.stop) told.stop = [job.stop];
  if (job.tools?.length) told.tools = job.tools.map((tool) => ({ type: 'function', function: tool }));
  if (job.tool_choice) told.tool_choice = choice(job.tool_choice);
  if (job.schema) {
    told.response_format = { type: 'json_schema', json_schema: { name: 'answer', schema: job.schema, strict: true } };
  }
  if (job.thinking) told.reasoning_effort = 'low';
  return told;
}

async function streamed(client, request, verdict) {
  let text = '';
  const stream = client.chat.completions.stream({ ...request, stream_options: { include_usage: true } });
  for await (const chunk of stream) {
    verdict.thinking += chunk.choices[0]?.delta.reasoning_content ?? '';
    text += chunk.choices[0]?.delta.content ?? '';
    verdict.text += chunk.choices[0]?.delta.content ?? '';
  }
  const whole = await stream.finalChatCompletion();
  same('text', text, whole.choices[0].message.content ?? '');
  return whole;
}

async function whole(client, request, verdict) {
  const answer = await client.chat.completions.create(request);
  verdict.text += answer.choices[0].message.content ?? '';
  verdict.thinking += answer.choices[0].message.reasoning_content ?? '';
  return answer;
}

function usage(told) {
  if (!told) return null;
  const cached = told.prompt_tokens_details?.cached_tokens ?? 0;
  return { input: told.prompt_tokens, output: told.completion_tokens, cached };
}

async function judge(job, verdict, fetch) {
  const options = { baseURL: `${job.base_url}/v1`, apiKey: job.key, maxRetries: 0, timeout: 20000, fetch };
  const client = new OpenAI(options);
  if (job.task === 'models') {
    for await (const model of client.models.list()) verdict.models.push(model.id);
    return;
  }
  const messages = opening(job);
  await converse(job, verdict, async (answered) => {
    messages.push(...answered.map(({ id, result }) => ({ role: 'tool', tool_call_id: id, content: result })));
    const ask = job.stream ? streamed : whole;
    const answer = await ask(client, { ...settings(job), messages }, verdict);
    const { message } = answer.choices[0];
    verdict.text += message.refusal ?? '';
    verdict.finish = answer.choices[0].finish_reason;
    verdict.usage = usage(answer.usage);
    const { parsed, ...said } = message;
    messages.push(said);
    return (message.tool_calls ?? []).map(({ id, function: { name, arguments: told } }) => (
      { id, name, arguments: JSON.parse(told) }
    ));
  });
}

await serve(judge);
