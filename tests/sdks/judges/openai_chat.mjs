// Judges chat completions with OpenAI's own library for JavaScript.
import OpenAI from 'openai';
import { converse, given, passage, same, serve } from './judging.mjs';

function opening(job) {
  const told = job.system ? [{ role: 'system', content: job.system }] : [];
  told.push(...(job.history ?? []).map(([role, content]) => ({ role, content })));
  const mark = job.cache_mark ? { prompt_cache_breakpoint: { mode: 'explicit' } } : {};
  const parts = [{ type: 'text', text: job.prompt, ...mark }, ...attached(job)];
  return [...told, { role: 'user', content: parts.length > 1 || job.cache_mark ? parts : job.prompt }];
}

function attached(job) {
  const parts = [];
  if (job.image) parts.push({ type: 'image_url', image_url: { url: `data:image/png;base64,${job.image}` } });
  if (job.file) {
    const paper = { filename: 'paper.pdf', file_data: `data:application/pdf;base64,${job.file}` };
    parts.push({ type: 'file', file: paper });
  }
  if (job.audio) parts.push({ type: 'input_audio', input_audio: { data: job.audio, format: 'wav' } });
  return parts;
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
  if (job.logprobs) Object.assign(told, { logprobs: true, top_logprobs: job.logprobs });
  const { n, temperature, seed, user, metadata, cache_key } = job;
  return { ...told, ...given({ n, temperature, seed, user, metadata, prompt_cache_key: cache_key }) };
}

function noteExtras(answer, verdict) {
  const [{ message, logprobs }] = answer.choices;
  for (const { url_citation, document_citation } of message.annotations ?? []) {
    const cited = url_citation ?? document_citation;
    verdict.citations.push([cited.url ?? null, cited.title]);
    verdict.quoted.push(passage(message.content, cited.start_index, cited.end_index));
  }
  for (const { token, logprob, top_logprobs } of logprobs?.content ?? []) {
    verdict.logprobs.push([token, logprob, top_logprobs.length]);
  }
  verdict.choices = answer.choices.map((choice) => choice.message.content ?? '');
}

function kept({ parsed, ...said }, job) {
  if (!job.forgets) return said;
  const { reasoning_content, reasoning_details, ...rest } = said;
  return rest;
}

async function streamed(client, request, verdict) {
  let text = '';
  const stream = client.chat.completions.stream({ ...request, stream_options: { include_usage: true } });
  for await (const chunk of stream) {
    const first = chunk.choices.find(({ index }) => index === 0);
    verdict.thinking += first?.delta.reasoning_content ?? '';
    text += first?.delta.content ?? '';
    verdict.text += first?.delta.content ?? '';
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
    verdict.written = answer.usage?.prompt_tokens_details?.cache_write_tokens ?? null;
    noteExtras(answer, verdict);
    messages.push(kept(message, job));
    return (message.tool_calls ?? []).map(({ id, function: { name, arguments: told } }) => (
      { id, name, arguments: JSON.parse(told) }
    ));
  });
}

await serve(judge);
