// Guide 3's code, run as it stands: guide/webchat/ holds byte-exact copies of its blocks (with the characters that the
// guide lost in comments and strings), and SHA256SUMS proves it. The address alone is replaced. On the other side an
// agent speaks kefu. Which part runs is the first argument: class, hook, whatsapp, retry or page.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import vm from 'node:vm';
import NodeWebSocket from 'ws';

const { BASE, AGENT_TOKEN, OUTPUT = join(tmpdir(), 'switchboard-webchat') } = process.env;
const part = process.argv[2];
setTimeout(() => { console.error('timed out'); process.exit(1); }, 90_000).unref();
const folder = new URL('./guide/webchat/', import.meta.url);
const block = (name) => readFileSync(new URL(name, folder));
for (const line of block('SHA256SUMS').toString().trim().split('\n')) {
  const [sum, name] = line.split('  ');
  assert.equal(createHash('sha256').update(block(name)).digest('hex'), sum, name);
}
const here = (text) => text.replaceAll('127.0.0.1:8080', new URL(BASE).host);
const code = (name) => here(block(name).toString());
const until = async (what, probe) => {
  for (;;) {
    const found = await probe();
    if (found) return found;
    await new Promise((done) => setTimeout(done, 10));
  }
};

// The other end of the talk: an agent on kefu.
const agent = new NodeWebSocket(BASE.replace('http', 'ws') + '/ws');
const agentHeard = [];
agent.on('message', (data) => agentHeard.push(JSON.parse(data)));
await new Promise((done) => agent.on('open', done));
const tell = (action, data) => agent.send(JSON.stringify({ action, data, op_id: action }));
tell('login', { token: AGENT_TOKEN });
await until('agent login', () => agentHeard.find((one) => one.op_id === 'login' && one.success));
const asked = (content) => until(content, () => agentHeard.find((one) => one.content === content));
const reply = async (content, answer) => {
  const { conversation_id } = await asked(content);
  tell('kefu_message_send', { conversation_id, content: answer, sender_type: 2 });
};

const tokenOf = async (channel, channelId) => {
  const body = JSON.stringify({ name: '张三', channel, channelId });
  const headers = { 'Content-Type': 'application/json' };
  const response = await fetch(`${BASE}/api/v1/public/customer-token`, { method: 'POST', headers, body });
  const { success, data } = await response.json();
  assert.equal(success, true);
  return data.token;
};

const parts = {
  // "JavaScript (浏览器)": the class, with the token that it is constructed with.
  async class() {
    const token = await tokenOf('WEB', 'web_user_123456');
    const logs = [];
    const console = { log: (...words) => logs.push(words), error: (...words) => logs.push(words) };
    const page = vm.createContext({ WebSocket: NodeWebSocket, JSON, console });
    vm.runInContext(code('class.js').replace('cust_xxxx', token), page);
    await until('open', () => logs.find(([words]) => words.includes('✅')));
    vm.runInContext("client.sendMessage('你好，我需要帮助')", page);
    await reply('你好，我需要帮助', '您好，有什么可以帮您的吗？');
    const heard = await until('the answer', () => logs.find(([, content]) => content === '您好，有什么可以帮您的吗？'));
    assert.equal(heard.length, 2);
    assert.equal(logs.length, 2, 'nothing else was said: ' + JSON.stringify(logs));
    vm.runInContext('client.disconnect()', page);
    await until('closed', () => logs.length === 3);
  },

  // "React Hook": in jsdom, with React itself.
  async hook() {
    const token = await tokenOf('APP', 'app_user_uuid');
    const { JSDOM } = await import('jsdom');
    const dom = new JSDOM('<div id="root"></div>');
    Object.assign(globalThis, { window: dom.window, document: dom.window.document, WebSocket: NodeWebSocket });
    Object.defineProperty(globalThis, 'navigator', { value: dom.window.navigator, configurable: true });
    const React = await import('react');
    const { createRoot } = await import('react-dom/client');
    const { transformSync } = await import('esbuild');
    const compiled = transformSync(code('hook.ts'), { loader: 'ts', format: 'cjs' });
    const module = { exports: {} };
    new Function('require', 'module', compiled.code)(createRequire(import.meta.url), module);
    const exported = module.exports;
    let seen;
    const Page = () => {
      seen = exported.useCustomerWebSocket(token);
      return React.createElement('ul', null, seen.messages.map((message, key) => React.createElement('li', { key }, message.content)));
    };
    const root = createRoot(document.getElementById('root'));
    root.render(React.createElement(Page));
    await until('connected', () => seen?.isConnected);
    seen.sendMessage('我想咨询产品价格');
    await reply('我想咨询产品价格', '请问是哪个产品？');
    await until('the answer on the page', () => document.querySelector('li')?.textContent === '请问是哪个产品？');
    assert.equal(seen.messages.length, 1);
    root.unmount();
  },

  // "WhatsApp Business (Node.js)": with npm axios and ws.
  async whatsapp() {
    const logs = [];
    const console = { log: (...words) => logs.push(words) };
    const text = `${code('whatsapp.js')}\nreturn customer;`;
    const customer = new Function('require', 'console', text)(createRequire(import.meta.url), console);
    await until('open', () => logs.find(([words]) => words === 'Connected to customer service'));
    customer.sendMessage('Hello, I need help');
    await reply('Hello, I need help', 'How can I help?');
    const heard = await until('the answer', () => logs.find(([words]) => words === 'Agent replied:'));
    assert.equal(heard[1], 'How can I help?');
    customer.ws.close();
  },

  // Q6: reconnecting with the token it has.
  async retry() {
    const token = await tokenOf('LINE', 'Uabcdef123456');
    const sockets = [];
    class Counted extends NodeWebSocket { constructor(url) { super(url); sockets.push(this); } }
    const setTimeout = (again) => globalThis.setTimeout(again, 50);
    const text = `${code('retry.js')}\nreturn connectWithRetry;`;
    new Function('WebSocket', 'console', 'setTimeout', text)(Counted, { log() {} }, setTimeout)(token, 2);
    for (const number of [0, 1]) {
      const socket = await until('a socket', () => sockets[number]);
      await until('open', () => socket.readyState === NodeWebSocket.OPEN);
      socket.close();
    }
    const last = await until('the last', () => sockets[2]);
    await until('open', () => last.readyState === NodeWebSocket.OPEN);
    last.send(JSON.stringify({ senderId: 'x', content: 'back again' }));
    await asked('back again');
  },

  // "Web 网页聊天": the page in a browser, opened from a file as it lies.
  async page() {
    const { chromium } = await import('playwright-core');
    mkdirSync(OUTPUT, { recursive: true });
    const file = join(OUTPUT, 'page.html');
    writeFileSync(file, code('page.html'));
    const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: ['--no-sandbox'] });
    try {
      const page = await browser.newPage();
      const errors = [];
      page.on('pageerror', (error) => errors.push(error));
      page.on('console', (message) => message.type() === 'error' && errors.push(message.text()));
      await page.goto(`file://${file}`);
      await until('connected', () => page.evaluate('typeof ws !== "undefined" && ws && ws.readyState === 1'));
      await page.fill('#message-input', '我想咨询产品价格');
      await page.click('button');
      await reply('我想咨询产品价格', '请问是哪个产品？');
      await page.waitForSelector('.agent');
      const shown = await page.locator('#messages > div').evaluateAll((all) => all.map((one) => [one.className, one.textContent]));
      assert.deepEqual(shown, [['user', '我想咨询产品价格'], ['agent', '请问是哪个产品？']]);
      await page.screenshot({ path: join(OUTPUT, 'page.png') });
      assert.deepEqual(errors, []);
      console.log(`screenshot: ${join(OUTPUT, 'page.png')}`);
    } finally {
      await browser.close();
    }
  },
};
await parts[part]();
console.log(`webchat ${part}: all well`);
process.exit(0);
