// Judges generateContent with Google's own library for JavaScript.
import { GoogleGenAI } from '@google/genai';
import { converse, given, passage, serve } from './judging.mjs';

const ROLES = { user: 'user', assistant: 'model' };
const MODES = { auto: 'AUTO', none: 'NONE', required: 'ANY' };

function opening(job) {
  const told = (job.history ?? []).map(([role, text]) => ({ role: ROLES[role], parts: [{ text }] }));
  const parts = [{ text: job.prompt }];
  const attached = [['image/png', job.image], ['application/pdf', job.file], ['audio/wav', job.audio]];
  for (const [mimeType, data] of attached) if (data) parts.push({ inlineData: { mimeType, data } });
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
  if (job.logprobs) Object.assign(told, { responseLogprobs: true, logprobs: job.logprobs });
  return { ...told, ...given({ candidateCount: job.n, temperature: job.temperature, seed: job.seed }) };
}

function noteChoice({ index, content }, verdict) {
  const said = (content?.parts ?? []).filter(({ thought }) => !thought).map(({ text }) => text ?? '').join('');
  verdict.choices[index ?? 0] = (verdict.choices[index ?? 0] ?? '') + said;
}

/** What stands beside the text. A passage's place is counted in bytes; its sources are told by number. */
function noteExtras({ groundingMetadata, logprobsResult }, verdict) {
  for (const { segment, groundingChunkIndices } of groundingMetadata?.groundingSupports ?? []) {
    for (const number of groundingChunkIndices) {
      const { web, retrievedContext } = groundingMetadata.groundingChunks[number];
      const { uri, title } = web ?? retrievedContext;
      const cited = passage(Buffer.from(verdict.text), segment.startIndex ?? 0, segment.endIndex);
      verdict.citations.push([uri ?? null, title]);
      verdict.quoted.push(cited && cited.toString());
    }
  }
  (logprobsResult?.chosenCandidates ?? []).forEach(({ token, logProbability }, number) => {
    const others = logprobsResult.topCandidates?.[number]?.candidates ?? [];
    verdict.logprobs.push([token, logProbability, others.length]);
  });
}

function kept(part, job) {
  if (!job.forgets) return [part];
  const { thoughtSignature, ...rest } = part;
  return part.thought ? [] : [rest];
}

function note(answer, parts, verdict) {
  for (const one of answer.candidates ?? []) noteChoice(one, verdict);
  const candidate = answer.candidates?.find(({ index }) => !index);
  for (const part of candidate?.content?.parts ?? []) {
    parts.push(part);
    if (part.thought) verdict.thinking += part.text ?? '';
    else verdict.text += part.text ?? '';
  }
  if (candidate) noteExtras(candidate, verdict);
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
    contents.push({ role: 'model', parts: parts.flatMap((part) => kept(part, job)) });
    return parts.filter(({ functionCall }) => functionCall).map(({ functionCall: { id, name, args } }) => (
      { id, name, arguments: args }
    ));
  });
}

await serve(judge);
