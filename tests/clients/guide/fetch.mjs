// The hand-made stream reader of most people: each read is taken for whole lines of whole characters.
const url = `${process.env.OPENAI_BASE_URL.replace(/\/$/, '')}/chat/completions`;
const headers = { Authorization: `Bearer ${process.env.OPENAI_API_KEY}`, 'Content-Type': 'application/json' };
const model = process.env.UNIGATE_MODEL ?? 'gpt-3.5-turbo';

async function post(content, more) {
  const body = JSON.stringify({ model, messages: [{ role: 'user', content }], ...more });
  const response = await fetch(url, { method: 'POST', headers, body });
  if (!response.ok) throw new Error(`HTTP error! status: ${response.status}`);
  return response;
}

async function* chunks(response) {
  const reader = response.body.getReader();
  const decoder = new TextDecoder();
  try {
    while (true) {
      const { done, value } = await reader.read();
      if (done) return;
      for (const line of decoder.decode(value).split('\n')) {
        if (!line.startsWith('data: ')) continue;
        const data = line.slice(6);
        if (data.trim() === '[DONE]') return;
        try {
          yield JSON.parse(data);
        } catch {
          // A line that the network cut in two is lost here without a word.
        }
      }
    }
  } finally {
    reader.releaseLock();
  }
}

async function plain() {
  const answer = await (await post('Hello, world!')).json();
  console.log(`plain: ${answer.choices[0].message.content}`);
}

async function streamed() {
  let text = '';
  for await (const chunk of chunks(await post('Tell me about JavaScript', { stream: true }))) {
    text += chunk.choices?.[0]?.delta?.content ?? '';
  }
  console.log(`stream: ${text}`);
}

plain();
streamed();
