// Guide 1's own way to connect (section 2) with npm `ws`: a user and an agent talk. Run by tests/journey/clients.rs with
// BASE, USER_TOKEN and AGENT_TOKEN in the environment; prints "all well" at its end.
import assert from 'node:assert/strict';
import WebSocket from 'ws';

const { BASE, USER_TOKEN, AGENT_TOKEN } = process.env;
setTimeout(() => { console.error('timed out'); process.exit(1); }, 60_000).unref();

class Client {
  constructor(token) {
    this.ws = new WebSocket(`${BASE.replace('http', 'ws')}/ws?token=${token}`);
    this.heard = [];
    this.waiting = [];
    this.ws.on('message', (data) => { this.heard.push(JSON.parse(data.toString())); this.deliver(); });
  }
  static async open(token) {
    const client = new Client(token);
    await new Promise((done, fail) => { client.ws.onopen = done; client.ws.onerror = (event) => fail(event.error); });
    return client;
  }
  deliver() {
    this.waiting = this.waiting.filter(({ wanted, done }) => {
      const at = this.heard.findIndex(wanted);
      if (at < 0) return true;
      done(this.heard.splice(at, 1)[0]);
      return false;
    });
  }
  await(wanted) {
    return new Promise((done) => { this.waiting.push({ wanted, done }); this.deliver(); });
  }
  say(from, to, content) {
    const timestamp = Math.floor(Date.now() / 1000);
    this.ws.send(JSON.stringify({ type: 'message', action: 'send', data: { from, to, content, timestamp } }));
    return this.await((said) => said.type === 'ack' && said.action === 'send');
  }
  message(content) {
    return this.await((said) => said.type === 'message' && said.data.content === content);
  }
}

await assert.rejects(Client.open('xxx'), /401/);

const agent = await Client.open(AGENT_TOKEN);
agent.ws.send(JSON.stringify({ type: 'ping' }));
await agent.await((said) => said.type === 'pong');
agent.ws.send(JSON.stringify({
  type: 'event', action: 'status_change', data: { agent_id: '1', status: 'online', timestamp: 1635232823 },
}));
const status = await agent.await((said) => said.action === 'status_change');
assert.equal(status.data.status, 'online');

const user = await Client.open(USER_TOKEN);
const { data: ack } = await user.say('100', '1', '消息内容');
const { data: heard } = await agent.message('消息内容');
assert.deepEqual([heard.from, heard.to, heard.message_id], ['100', '1', ack.message_id]);
await agent.say('1', '100', '您好');
await user.message('您好');

const rest = async (token, method, path, body) => {
  const headers = { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' };
  const response = await fetch(BASE + path, { method, headers, body: body && JSON.stringify(body) });
  const answer = await response.json();
  assert.equal(answer.code, response.status);
  return answer;
};
const edited = await rest(USER_TOKEN, 'PUT', `/api/v1/messages/${ack.message_id}`, { content: '改过的' });
assert.equal(edited.data.content, '改过的');
await agent.await((said) => said.action === 'message_edited' && said.data.content === '改过的');
await rest(USER_TOKEN, 'DELETE', `/api/v1/messages/${ack.message_id}`);
await agent.await((said) => said.action === 'message_recalled');
const list = await rest(AGENT_TOKEN, 'GET', `/api/v1/conversations/${ack.conversation_id}/messages`);
assert.deepEqual(list.data.items.map((item) => item.content), ['', '您好']);
assert.equal((await rest(AGENT_TOKEN, 'DELETE', `/api/v1/conversations/${ack.conversation_id}`)).data.status, 'closed');
console.log('all well');
process.exit(0);
