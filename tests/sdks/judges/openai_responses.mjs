// Judges responses with OpenAI's own library for JavaScript.
import OpenAI from 'openai';
import { converse, given, passage, same, serve } from './judging.mjs';

const THOUGHTS = ['response.reasoning_summary_text.delta', 'response.reasoning_text.delta'];

function opening(job) {
  const told = (job.history ?? []).map(([role, content]) => ({ role, content }));
  const mark = job.cache_mark ? { prompt_cache_breakpoint: { mode: 'explicit' } } : {};
  const parts = [{ type: 'input_text', text: job.prompt, ...mark }, ...attached(job)];
  return [...told, { role: 'user', content: parts.length > 1 || job.cache_mark ? parts : job.prompt }];
}

function attached(job) {
  const parts = [];
  if (job.image) parts.push({ type: 'input_image', image_url: `data:image/png;base64,${job.image}`, detail: 'auto' });
  if (job.file) {
    const data = `data:application/pdf;base64,${job.file}`;
    parts.push({ type: 'input_file', filename: 'paper.pdf', file_data: data });
  }
  if (job.audio) parts.push({ type: 'input_audio', input_audio: { data: job.audio, format: 'wav' } });
  return parts;
}

function settings(job) {
  const told = { model: job.model, store: false };
  if (job.system) told.instructions = job.system;
  if (job.limit) told.max_output_tokens = job.limit;
  if (job.tools?.length) told.tools = job.tools.map((tool) => ({ type: 'function', strict: false, ...tool }));
  if (job.tool_choice) {
    const plain = ['auto', 'none', 'required'].includes(job.tool_choice);
    told.tool_choice = plain ? job.tool_choice : { type: 'function', name: job.tool_choice };
  }
  if (job.schema) {
    told.text = { format: { type: 'json_schema', name: 'answer', schema: job.schema, strict: true } };
  }
  if (job.thinking) {
    told.reasoning = { effort: 'low', summary: 'auto' };
    told.include = ['reasoning.encrypted_content'];
  }
  if (job.logprobs) Object.assign(told, { top_logprobs: job.logprobs, include: ['message.output_text.logprobs'] });
  const { temperature, user, metadata, cache_key } = job;
  return { ...told, ...given({ temperature, user, metadata, prompt_cache_key: cache_key }) };
}

async function streamed(client, request, verdict) {
  let text = '';
  const stream = client.responses.stream(request);
  for await (const event of stream) {
    if (event.type === 'response.output_text.delta') text += event.delta;
    if (THOUGHTS.includes(event.type)) verdict.thinking += event.delta;
  }
  verdict.text += text;
  const whole = await stream.finalResponse();
  same('text', text, whole.output_text);
  return whole;
}

async function whole(client, request, verdict) {
  const answer = await client.responses.create(request);
  verdict.text += answer.output_text;
  for (const item of answer.output.filter(({ type }) => type === 'reasoning')) {
    verdict.thinking += [...item.summary, ...(item.content ?? [])].map((part) => part.text).join('');
  }
  return answer;
}

function refusals(answer) {
  const parts = answer.output.flatMap((item) => (item.type === 'message' ? item.content : []));
  return parts.map((part) => part.refusal ?? '').join('');
}

function noteExtras(answer, verdict) {
  const parts = answer.output.flatMap((item) => (item.type === 'message' ? item.content : []));
  for (const { text, annotations, logprobs } of parts.filter(({ type }) => type === 'output_text')) {
    for (const cited of annotations) {
      verdict.citations.push([cited.url ?? null, cited.title ?? cited.filename]);
      verdict.quoted.push(passage(text, cited.start_index, cited.end_index));
    }
    for (const { token, logprob, top_logprobs } of logprobs ?? []) {
      verdict.logprobs.push([token, logprob, top_logprobs.length]);
    }
  }
}

function usage(told) {
  if (!told) return null;
  return { input: told.input_tokens, output: told.output_tokens, cached: told.input_tokens_details.cached_tokens };
}

async function judge(job, verdict, fetch) {
  const options = { baseURL: `${job.base_url}/v1`, apiKey: job.key, maxRetries: 0, timeout: 20000, fetch };
  const client = new OpenAI(options);
  if (job.task === 'models') {
    for await (const model of client.models.list()) verdict.models.push(model.id);
    return;
  }
  const input = opening(job);
  await converse(job, verdict, async (answered) => {
    input.push(...answered.map(({ id, result }) => ({ type: 'function_call_output', call_id: id, output: result })));
    const ask = job.stream ? streamed : whole;
    const answer = await ask(client, { ...settings(job), input }, verdict);
    if (answer.error) throw new OpenAI.APIError(undefined, answer.error, answer.error.message, undefined);
    verdict.text += refusals(answer);
    verdict.finish = answer.incomplete_details?.reason ?? answer.status;
    verdict.usage = usage(answer.usage);
    verdict.written = answer.usage?.input_tokens_details.cache_write_tokens ?? null;
    noteExtras(answer, verdict);
    const kept = answer.output.filter(({ type }) => !(job.forgets && type === 'reasoning'));
    input.push(...kept.map(({ parsed_arguments, ...item }) => item));
    return answer.output.filter(({ type }) => type === 'function_call').map((item) => (
      { id: item.call_id, name: item.name, arguments: JSON.parse(item.arguments) }
    ));
  });
}

await serve(judge);
