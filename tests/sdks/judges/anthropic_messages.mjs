// Judges messages with Anthropic's own library for JavaScript.
import Anthropic from '@anthropic-ai/sdk';
import { converse, same, serve } from './judging.mjs';

function opening(job) {
  const told = (job.history ?? []).map(([role, content]) => ({ role, content }));
  const mark = job.cache_mark ? { cache_control: { type: 'ephemeral' } } : {};
  const parts = [...attached(job), { type: 'text', text: job.prompt, ...mark }];
  return [...told, { role: 'user', content: parts.length > 1 || job.cache_mark ? parts : job.prompt }];
}

function attached(job) {
  const known = [['image', 'image/png', job.image], ['document', 'application/pdf', job.file]];
  return known.filter(([, , data]) => data).map(([type, media_type, data]) => (
    { type, source: { type: 'base64', media_type, data } }
  ));
}

const CHOICES = { required: { type: 'any' }, auto: { type: 'auto' }, none: { type: 'none' } };

function settings(job) {
  const told = { model: job.model };
  if (job.system) told.system = job.system;
  if (job.stop) told.stop_sequences = [job.stop];
  if (job.tools?.length) {
    told.tools = job.tools.map(({ name, description, parameters }) => ({ name, description, input_schema: parameters }));
  }
  if (job.tool_choice) told.tool_choice = CHOICES[job.tool_choice] ?? { type: 'tool', name: job.tool_choice };
  if (job.schema) told.output_config = { format: { type: 'json_schema', schema: job.schema } };
  if (job.thinking) told.thinking = { type: 'enabled', budget_tokens: 1024 };
  if (job.user) told.metadata = { user_id: job.user };
  return told;
}

const textOf = (message) => message.content.map((block) => block.text ?? '').join('');

function noteCitations(message, verdict) {
  for (const { url, title, document_title } of message.content.flatMap(({ citations }) => citations ?? [])) {
    verdict.citations.push([url ?? null, title ?? document_title]);
    verdict.quoted.push(null);
  }
}

const THOUGHTS = ['thinking', 'redacted_thinking'];

async function streamed(client, request, verdict) {
  let text = '';
  const stream = client.messages.stream(request);
  stream.on('text', (delta) => { text += delta; verdict.text += delta; });
  stream.on('thinking', (delta) => { verdict.thinking += delta; });
  const answer = await stream.finalMessage();
  same('text', text, textOf(answer));
  return answer;
}

async function whole(client, request, verdict) {
  const answer = await client.messages.create(request);
  verdict.text += textOf(answer);
  verdict.thinking += answer.content.map((block) => block.thinking ?? '').join('');
  return answer;
}

function usage(told) {
  const cached = told.cache_read_input_tokens ?? 0;
  const read = cached + (told.cache_creation_input_tokens ?? 0);
  return { input: told.input_tokens + read, output: told.output_tokens, cached };
}

async function judge(job, verdict, fetch) {
  const client = new Anthropic({ baseURL: job.base_url, apiKey: job.key, maxRetries: 0, timeout: 20000, fetch });
  const messages = opening(job);
  if (job.task === 'models') {
    for await (const model of client.models.list()) verdict.models.push(model.id);
    return;
  }
  if (job.task === 'count') {
    verdict.tokens = (await client.messages.countTokens({ ...settings(job), messages })).input_tokens;
    return;
  }
  await converse(job, verdict, async (answered) => {
    const results = answered.map(({ id, result }) => ({ type: 'tool_result', tool_use_id: id, content: result }));
    if (results.length) messages.push({ role: 'user', content: results });
    const ask = job.stream ? streamed : whole;
    const answer = await ask(client, { ...settings(job), max_tokens: job.limit || 4096, messages }, verdict);
    verdict.finish = answer.stop_reason;
    verdict.usage = usage(answer.usage);
    verdict.written = answer.usage.cache_creation_input_tokens;
    noteCitations(answer, verdict);
    const kept = answer.content.filter(({ type }) => !(job.forgets && THOUGHTS.includes(type)));
    messages.push({ role: 'assistant', content: kept });
    return answer.content.filter(({ type }) => type === 'tool_use').map(({ id, name, input }) => (
      { id, name, arguments: input }
    ));
  });
}

await serve(judge);
