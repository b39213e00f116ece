// Judges generateContent with Google's own library for JavaScript.
import { GoogleGenAI } from '@google/genai';
import { converse, serve } from './judging.mjs';

const ROLES = { user: 'user', assistant: 'model' };
const MODES = { auto: 'AUTO', none: 'NONE', required: 'ANY' };

function opening(job) {
  const told = (job.history ?? []).map(([role, text]) => ({ role: ROLES[role], parts: [{ text }] }));
  const parts = [{ text: job.prompt }];
  if (job.image) parts.push({ inlineData: { mimeType: 'image/png', data: job.image } });
  return [...told, { role: 'user', parts }];
}

function settings(job) {
  const told = {};
  if (job.system) told.systemInstruction = job.system;
  if (job.limit) told.maxOutputTokens = job.limit;
  if (job.stop) told.stopSequences = [job.stop];
  if (job.tools?.length) {
    const declared = job.tools.map(({ name, description, parameters }) => (
      { name, description, parametersJsonSchema: parameters }
    ));
    told.tools = [{ functionDeclarations: declared }];
  }
  if (job.tool_choice) {
    const named = MODES[job.tool_choice] ? {} : { allowedFunctionNames: [job.tool_choice] };
    told.toolConfig = { functionCallingConfig: { mode: MODES[job.tool_choice] ?? 'ANY', ...named } };
  }
  if (job.schema) Object.assign(told, { responseMimeType: 'application/json', responseJsonSchema: job.schema });
  if (job.thinking) told.thinkingConfig = { includeThoughts: true, thinkingBudget: 1024 };
  return told;
}

function note(answer, parts, verdict) {
  const candidate = answer.candidates?.[0];
  for (const part of candidate?.content?.parts ?? []) {
    parts.push(part);
    if (part.thought) verdict.thinking += part.text ?? '';
    else verdict.text += part.text ?? '';
  }
  verdict.finish = candidate?.finishReason ?? verdict.finish;
  verdict.usage = answer.usageMetadata ? usage(answer.usageMetadata) : verdict.usage;
}

function usage(told) {
  const output = (told.candidatesTokenCount ?? 0) + (told.thoughtsTokenCount ?? 0);
  return { input: told.promptTokenCount, output, cached: told.cachedContentTokenCount ?? 0 };
}

async function judge(job, verdict, fetch) {
  const options = { baseUrl: job.base_url, timeout: 20000, fetch };
  const client = new GoogleGenAI({ apiKey: job.key, httpOptions: options });
  const contents = opening(job);
  if (job.task === 'models') {
    for await (const model of await client.models.list()) verdict.models.push(model.name.replace(/^models\//, ''));
    return;
  }
  if (job.task === 'count') {
    verdict.tokens = (await client.models.countTokens({ model: job.model, contents })).totalTokens;
    return;
  }
  await converse(job, verdict, async (answered) => {
    const results = answered.map(({ id, name, result }) => ({ functionResponse: { id, name, response: { result } } }));
    if (results.length) contents.push({ role: 'user', parts: results });
    const request = { model: job.model, contents, config: settings(job) };
    const parts = [];
    if (job.stream) {
      for await (const piece of await client.models.generateContentStream(request)) note(piece, parts, verdict);
    } else {
      note(await client.models.generateContent(request), parts, verdict);
    }
    contents.push({ role: 'model', parts });
    return parts.filter(({ functionCall }) => functionCall).map(({ functionCall: { id, name, args } }) => (
      { id, name, arguments: args }
    ));
  });
}

await serve(judge);
