// The main job with npm `ws`, as a browser's programmer would write it. Run by tests/journey/clients.rs with
// BASE, USER_TOKEN and AGENT_TOKEN in the environment; prints "all well" at its end.
import assert from 'node:assert/strict';
import WebSocket from 'ws';

const { BASE, USER_TOKEN, AGENT_TOKEN } = process.env;
const WS = BASE.replace('http', 'ws') + '/ws';
setTimeout(() => { console.error('timed out'); process.exit(1); }, 60_000).unref();

class Client {
  constructor(url = WS) {
    this.ws = new WebSocket(url);
    this.heard = [];
    this.waiting = [];
    this.next = 1;
    this.closed = new Promise((done) => this.ws.on('close', (code) => done(code)));
    this.ws.on('message', (data, binary) => {
      assert.equal(binary, false);
      const text = data.toString();
      this.heard.push(text === 'pong' ? text : JSON.parse(text));
      this.deliver();
    });
  }
  static async open(url) {
    const client = new Client(url);
    await new Promise((done, fail) => client.ws.on('open', done).on('error', fail));
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
  push(action) {
    return this.await((said) => said.type === 'push_message' && said.action === action);
  }
  async call(action, data) {
    const op_id = `op-${this.next++}`;
    this.ws.send(JSON.stringify({ action, data, op_id }));
    return this.await((said) => said.op_id === op_id);
  }
  async ok(action, data) {
    const answer = await this.call(action, data);
    assert.equal(answer.success, true, JSON.stringify(answer));
    return answer.data;
  }
}

const rest = async (path, token) => {
  const response = await fetch(BASE + path, { headers: { Authorization: `Bearer ${token}` } });
  return { status: response.status, ...(await response.json()) };
};

const agent = await Client.open();
assert.deepEqual((await agent.ok('login', { token: AGENT_TOKEN })), { uid: 1 });
const conversation = (await rest('/api/kefu/message/getConversation', USER_TOKEN)).data;
assert.equal(conversation.kefu_id, 1);
const user = await Client.open();
const phone = await Client.open();
for (const device of [user, phone]) await device.ok('login', { token: USER_TOKEN });

const sent = await user.ok('kefu_message_send', { conversation_id: conversation.id, content: '你好 🙂' });
assert.ok(Number.isSafeInteger(sent.message_id), 'ids are exact in JavaScript');
for (const listener of [agent, phone]) {
  const push = await listener.push('kefu_message');
  assert.equal(push.content, '你好 🙂');
  assert.equal(push.message_id, sent.message_id);
}
await agent.ok('kefu_message_send', { conversation_id: conversation.id, content: '您好', sender_type: 2 });
for (const device of [user, phone]) assert.equal((await device.push('kefu_message')).sender_type, 2);

const list = (await rest(`/api/kefu/message/list?conversation_id=${conversation.id}`, USER_TOKEN)).data;
assert.deepEqual(list.map((message) => message.content), ['你好 🙂', '您好']);
const read = { conversation_id: conversation.id, message_ids: [list[1].id], sender_type: 2 };
assert.deepEqual(await user.ok('kefu_message_read', read), { updated_count: 1 });

// Many at once: the answers come in the order of the sends, the agent hears all of it in order.
const many = Array.from({ length: 200 }, (_, n) => `no. ${n}`);
await Promise.all(many.map((content) => user.ok('kefu_message_send', { conversation_id: conversation.id, content })));
for (const content of many) assert.equal((await agent.push('kefu_message')).content, content);

user.ws.send('ping');
await user.await((said) => said === 'pong');
const pong = new Promise((done) => user.ws.once('pong', done));
user.ws.ping('beat');
assert.equal((await pong).toString(), 'beat');

const visitor = await Client.open();
await visitor.ok('kefu_message_visitor_bind_fd', { bind_key: 'visitor_node' });
await visitor.ok('kefu_message_visitor_send', { visitor_id: 'visitor_node', kefu_id: '1', content: '你好，我需要帮助' });
assert.equal((await agent.push('kefu_visitor_message')).visitor_id, 'visitor_node');
await agent.ok('kefu_message_visitor_send', { visitor_id: 'visitor_node', kefu_id: '1', content: '请说', sender_type: 2 });
assert.equal((await visitor.push('kefu_visitor_message')).content, '请说');

await user.ok('kefu_message_end', { conversation_id: conversation.id });
assert.deepEqual((await agent.push('kefu_message_end')).to_uid, [100, 1]);
const refused = await user.call('kefu_message_send', { conversation_id: conversation.id, content: 'x' });
assert.equal(refused.success, false);

// The close handshake: the code comes back.
user.ws.close(1000, 'bye');
assert.equal(await user.closed, 1000);
phone.ws.send(Buffer.from([1, 2, 3]), { binary: true });
assert.equal(await phone.closed, 1003);
agent.ws.terminate();
visitor.ws.terminate();
console.log('node: all well');
