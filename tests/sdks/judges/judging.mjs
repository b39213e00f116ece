// What every judge shares: a job comes in as a line of JSON, what the library made of the answer goes out as one.
import { createInterface } from 'node:readline';

const MOST_ROUNDS = 4;

/** Whether the pieces of a stream make what the library itself put together. */
export function same(what, streamed, whole) {
  if (streamed !== whole) throw new Error(`${what}: the pieces say ${streamed}, the whole says ${whole}`);
}

/** Asks, answers the calls of tools, asks again; `turn` gets the last calls with their results, gives the next. */
export async function converse(job, verdict, turn) {
  let calls = [];
  for (let round = 0; round < MOST_ROUNDS; round += 1) {
    calls = await turn(calls);
    if (calls.length) verdict.rounds.push(calls.map(({ name, arguments: told }) => ({ name, arguments: told })));
    if (!calls.length || !Object.keys(job.results ?? {}).length) return;
    calls = calls.map((call) => ({ ...call, result: job.results[call.name] }));
  }
  throw new Error(`${MOST_ROUNDS} rounds and still calls`);
}

/** What a citation says it belongs to, if it says so. */
export function passage(text, start, end) {
  return end ? text.slice(start, end) : null;
}

/** Those of the settings that are set. */
export function given(settings) {
  return Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined && value !== null));
}

/** A fetch that remembers what the gateway said it dropped. */
function listener(dropped) {
  return async (...request) => {
    const response = await fetch(...request);
    for (const name of (response.headers.get('x-unigate-dropped') ?? '').split(', ')) {
      if (name && !dropped.includes(name)) dropped.push(name);
    }
    return response;
  };
}

function failure(error) {
  const status = Number.isInteger(error.status) ? error.status : null;
  return { kind: error.constructor.name, status, message: String(error.message).slice(0, 2000) };
}

/** Does the jobs one after the other until there are no more. */
export async function serve(play) {
  for await (const line of createInterface({ input: process.stdin })) {
    const job = JSON.parse(line);
    const verdict = {
      text: '', thinking: '', rounds: [], finish: null, usage: null, written: null, citations: [], quoted: [],
      logprobs: [], choices: [], models: [], tokens: null, dropped: '', error: null,
    };
    const dropped = [];
    try {
      await play(job, verdict, listener(dropped));
    } catch (error) {
      verdict.error = failure(error);
    }
    verdict.dropped = dropped.join(', ');
    process.stdout.write(`${JSON.stringify(verdict)}\n`);
  }
}
