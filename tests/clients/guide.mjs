// Guide 2's JavaScript, run as it stands: guide/kefu/NN.js are byte-exact copies of its blocks, in order, and
// SHA256SUMS proves it. The globals alone are replaced: `fetch` and `WebSocket` put the server's address, real
// tokens and the real conversation id where the guide writes placeholders.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import vm from 'node:vm';
import NodeWebSocket from 'ws';

const { BASE, USER_TOKEN, AGENT_TOKEN } = process.env;
setTimeout(() => { console.error('timed out'); process.exit(1); }, 60_000).unref();
const folder = new URL('./guide/kefu/', import.meta.url);
const block = (number) => readFileSync(new URL(number, folder), 'utf8');

// The list is complete and nothing in it was touched.
const sums = block('SHA256SUMS').trim().split('\n').map((line) => line.split('  '));
assert.equal(sums.length, 9);
assert.deepEqual(sums.map(([, name]) => name), readdirSync(folder).filter((name) => name.endsWith('.js')).sort());
for (const [sum, name] of sums) assert.equal(createHash('sha256').update(block(name)).digest('hex'), sum, name);

let conversation;
const filled = (text) => text
  .replace('your_user_token', USER_TOKEN)
  .replace('conversation_id=1&', () => `conversation_id=${conversation}&`);
const shimFetch = (path, options) => {
  const headers = Object.fromEntries(Object.entries(options.headers).map(([name, value]) => [name, filled(value)]));
  return fetch(BASE + filled(path), { ...options, headers });
};
const said = [];
class ShimWebSocket extends NodeWebSocket {
  constructor(url) {
    assert.equal(url, 'ws://your-domain/ws');
    super(BASE.replace('http', 'ws') + '/ws');
    this.addEventListener('message', (event) => said.push(JSON.parse(event.data)));
  }
  send(data) { super.send(filled(data)); }
}
const until = async (what, probe) => {
  for (;;) {
    const found = probe();
    if (found) return found;
    await new Promise((done) => setTimeout(done, 5));
  }
};
const page = (logs) => vm.createContext({ WebSocket: ShimWebSocket, JSON, console: { log: (...words) => logs.push(words) } });
const runFetch = (name) => new Function('fetch', `return (async () => {${block(name)}\nreturn { response, result };})()`)(shimFetch);
const answer = (op_id) => until(op_id, () => said.find((one) => one.op_id === op_id));

// The other end of the talk: an agent.
const agent = new NodeWebSocket(BASE.replace('http', 'ws') + '/ws');
const agentHeard = [];
agent.on('message', (data) => agentHeard.push(JSON.parse(data)));
await new Promise((done) => agent.on('open', done));
const tell = (action, data) => agent.send(JSON.stringify({ action, data, op_id: action }));
tell('login', { token: AGENT_TOKEN });
await until('agent login', () => agentHeard.find((one) => one.op_id === 'login' && one.success));

// 01: 获取或创建会话; 02: 获取消息列表.
const opened = await runFetch('01.js');
assert.equal(opened.result.code, 200);
assert.equal(opened.result.data.user_id, 100);
conversation = opened.result.data.id;
const empty = await runFetch('02.js');
assert.deepEqual(empty.result, { ...empty.result, code: 200, data: [] });

// 03: connect; 04: log in as soon as it is open; 05: hear pushes. One page, as the guide builds it up.
const logs = [];
const user = page(logs);
for (const name of ['03.js', '04.js']) vm.runInContext(block(name), user, { filename: name });
await until('login', () => said.find((one) => one.success && one.message === 'Login successfully'));
vm.runInContext(block('05.js'), user, { filename: '05.js' });
tell('kefu_message_send', { conversation_id: conversation, content: '您好，有什么可以帮您的吗？', sender_type: 2 });
const heard = await until('收到消息', () => logs.find(([words]) => words === '收到消息:'));
assert.equal(heard[1].content, '您好，有什么可以帮您的吗？');
assert.equal(heard[1].to_uid, 100);
const list = await runFetch('02.js');
assert.deepEqual(list.result.data.map((message) => message.content), ['您好，有什么可以帮您的吗？']);
tell('kefu_message_end', { conversation_id: conversation });
assert.equal((await until('会话已结束', () => logs.find(([words]) => words === '会话已结束:')))[1].operator_type, 2);

// 06: a visitor connects; 07: and hears pushes. What it sends are the guide's JSON requests.
const visitorLogs = [];
const visitor = page(visitorLogs);
vm.runInContext(block('06.js'), visitor, { filename: '06.js' });
await until('open', () => visitorLogs.find(([words]) => words === 'WebSocket连接成功'));
vm.runInContext(block('07.js'), visitor, { filename: '07.js' });
const send = (action, data, op_id) => vm.runInContext(`ws.send(${JSON.stringify(JSON.stringify({ action, data, op_id }))})`, visitor);
send('kefu_message_visitor_bind_fd', { bind_key: 'visitor_123456' }, 'bind');
assert.deepEqual(await answer('bind'), { success: true, message: 'Bind key successfully', data: null, op_id: 'bind' });
send('kefu_message_visitor_send', { visitor_id: 'visitor_123456', kefu_id: '1', content: '你好，我需要帮助' }, 'send');
assert.equal((await answer('send')).message, 'Visitor message sent successfully');
tell('kefu_message_visitor_send', { visitor_id: 'visitor_123456', kefu_id: '1', content: '请说', sender_type: 2 });
const reply = await until('收到客服回复', () => visitorLogs.find(([words]) => words === '收到客服回复:'));
assert.equal(reply[1].content, '请说');
tell('kefu_message_visitor_end', { visitor_id: 'visitor_123456', kefu_id: '1', sender_type: 2 });
assert.equal((await until('end', () => visitorLogs.find(([words]) => words === '会话已结束:')))[1].sender_type, 2);

// 08 and 09 are HTTP written down, not JavaScript: a request line and headers.
for (const [name, wanted] of [['08.js', (data) => data.user_id === 100], ['09.js', (data) => Array.isArray(data)]]) {
  const [, method, path, headers] = /^(\w+) (\S+)\nHeaders: ({[^]*})\n$/.exec(block(name));
  const response = await shimFetch(path, { method, headers: vm.runInNewContext(`(${headers})`) });
  const result = await response.json();
  assert.equal(result.code, 200, `${name}: ${JSON.stringify(result)}`);
  assert.ok(wanted(result.data), `${name}: ${JSON.stringify(result)}`);
}
console.log('guide: all well');
process.exit(0);
