"""The main job with Python `websockets`. Run by tests/journey/clients.rs with BASE, USER_TOKEN and AGENT_TOKEN in
the environment; prints "all well" at its end."""

import asyncio
import json
import os
import urllib.error
import urllib.request

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

BASE = os.environ["BASE"]
WS = BASE.replace("http", "ws", 1) + "/ws"
USER, AGENT = os.environ["USER_TOKEN"], os.environ["AGENT_TOKEN"]


class Client:
    def __init__(self, socket):
        self.socket, self.heard, self.next = socket, [], 1

    async def until(self, wanted):
        async with asyncio.timeout(30):
            while True:
                for at, said in enumerate(self.heard):
                    if wanted(said):
                        return self.heard.pop(at)
                self.heard.append(json.loads(await self.socket.recv()))

    async def push(self, action):
        return await self.until(lambda said: said.get("type") == "push_message" and said["action"] == action)

    async def call(self, action, data):
        op_id, self.next = {"n": self.next}, self.next + 1
        await self.socket.send(json.dumps({"action": action, "data": data, "op_id": op_id}, ensure_ascii=False))
        return await self.until(lambda said: said.get("op_id") == op_id)

    async def ok(self, action, data):
        answer = await self.call(action, data)
        assert answer["success"] is True, answer
        return answer["data"]


def rest(path, token):
    request = urllib.request.Request(BASE + path, headers={"Authorization": f"Bearer {token}"})
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


async def main():
    async with connect(WS) as a, connect(WS) as u, connect(WS) as v:
        agent, user, visitor = Client(a), Client(u), Client(v)
        assert await agent.ok("login", {"token": AGENT}) == {"uid": 1}
        assert await user.ok("login", {"token": USER}) == {"uid": 100}
        _, body = await asyncio.to_thread(rest, "/api/kefu/message/getConversation", USER)
        conversation = body["data"]["id"]

        # A text in fragments is one message.
        action = {"action": "kefu_message_send", "data": {"conversation_id": conversation, "content": "分片🙂"}}
        text = json.dumps(action | {"op_id": "f"}, ensure_ascii=False)
        await u.send([text[:20], text[20:21], "", text[21:]])
        answer = await user.until(lambda said: said.get("op_id") == "f")
        assert answer["success"], answer
        assert (await agent.push("kefu_message"))["content"] == "分片🙂"
        await agent.ok("kefu_message_send", {"conversation_id": conversation, "content": "收到", "sender_type": 2})
        assert (await user.push("kefu_message"))["content"] == "收到"

        # Close to the largest message.
        long = "长" * 20000
        await user.ok("kefu_message_send", {"conversation_id": conversation, "content": long})
        assert (await agent.push("kefu_message"))["content"] == long

        status, body = await asyncio.to_thread(
            rest, f"/api/kefu/message/list?conversation_id={conversation}&page=1&page_size=20", USER
        )
        assert status == 200 and [m["content"] for m in body["data"]] == ["分片🙂", "收到", long]
        status, body = await asyncio.to_thread(rest, "/api/kefu/message/list?conversation_id=1", USER)
        assert status == body["code"] == 404

        await visitor.ok("kefu_message_visitor_bind_fd", {"bind_key": "visitor_py"})
        ask = {"visitor_id": "visitor_py", "kefu_id": "1", "content": "help"}
        await visitor.ok("kefu_message_visitor_send", ask)
        assert (await agent.push("kefu_visitor_message"))["content"] == "help"
        await agent.ok("kefu_message_visitor_end", {"visitor_id": "visitor_py", "kefu_id": "1", "sender_type": 2})
        assert (await visitor.push("kefu_visitor_conversation_end"))["sender_type"] == 2

        waiter = await u.ping()
        await asyncio.wait_for(waiter, 30)
        await user.ok("kefu_message_end", {"conversation_id": conversation})
        assert (await agent.push("kefu_message_end"))["operator_id"] == 100
        await v.send(b"binary")
        try:
            await v.recv()
            raise AssertionError("a binary message must close")
        except ConnectionClosed as closed:
            assert closed.rcvd.code == 1003, closed


asyncio.run(main())
print("python: all well")
