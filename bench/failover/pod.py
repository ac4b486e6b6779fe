"""One pod of `npm run bench:failover`: several workers, each a real python-socketio AsyncServer over AsyncRedisManager, as
Open WebUI makes them, and chats that some of them publish at a steady pace. Nothing of the manager is changed; what it
returns and what it hands on is written down.

Lines on stdin and stdout are JSON. The pod says {"event": "warm"} once every worker has heard every chat of the others. It
is then told {"fault": T, "early": S, "end": S}: the moment of the fault (seconds of time.time()), and how long after it
the first chat and the others publish their last frames. Some seconds later it says what was published and heard, and ends.
"""

import argparse
import asyncio
import importlib.metadata
import json
import logging
import os
import sys
import time

import socketio

ROOM = "user:1"
GRACE = 4


def parse():
    parser = argparse.ArgumentParser()
    parser.add_argument("--redis", required=True)
    parser.add_argument("--options", default="{}", help="redis_options of the manager, as JSON")
    parser.add_argument("--pod", required=True)
    parser.add_argument("--pods", required=True, help="all pods, comma-separated")
    parser.add_argument("--workers", type=int, required=True)
    parser.add_argument("--chats", type=int, required=True)
    parser.add_argument("--fps", type=float, required=True)
    return parser.parse_args()


def tell(message):
    sys.stdout.write(json.dumps(message, separators=(",", ":")) + "\n")
    sys.stdout.flush()


def frame(chat, number, done):
    """Two of three frames carry one word; the third, and the last, the whole text so far."""
    if not done and number % 3 != 2:
        event = {"type": "response.output_text.delta", "item_id": f"msg_{chat}", "output_index": 0, "content_index": 0}
        data = {"type": "response:completion", "data": {**event, "sequence_number": number, "delta": f" w{number:05d}"}}
    else:
        text = " ".join(f"w{word:05d}" for word in range(number + 1))
        data = {"type": "chat:completion", "data": {"content": text, **({"done": True} if done else {})}}
    return {"chat_id": chat, "message_id": f"message-{chat}", "data": data}


def name_of(message):
    """The chat of a message's frame and its number in it."""
    data = message["data"][0]
    inner = data["data"]["data"]
    number = inner["sequence_number"] if "delta" in inner else int(inner["content"][-5:])
    return data["chat_id"], number


class Manager(socketio.AsyncRedisManager):
    """Writes down what the real one returns and hands on."""

    def __init__(self, *args, **keywords):
        super().__init__(*args, **keywords)
        self.answers = {}
        self.heard = []
        self.chats_heard = set()

    async def _publish(self, data):
        result = await super()._publish(data)
        # It has tried twice, logged the error and given up: nobody above it is told.
        self.answers[name_of(data)] = result is not None
        return result

    async def _handle_emit(self, message):
        if message["host_id"] != self.host_id:
            chat, number = name_of(message)
            self.chats_heard.add(chat)
            self.heard.append((chat, number, round(time.time(), 4)))
        await super()._handle_emit(message)


class Chat:
    def __init__(self, server, name, fps):
        self.server = server
        self.name = name
        self.fps = fps
        self.ends_at = None
        # Number, when it was due, when it was answered (None: never), whether with success.
        self.sent = []

    async def run(self):
        begun = time.time()
        number = 0
        while True:
            done = self.ends_at is not None and time.time() >= self.ends_at
            due = time.time()
            entry = [number, round(due, 4), None, False]
            self.sent.append(entry)
            await self.server.emit("events", frame(self.name, number, done), room=ROOM)
            entry[2] = round(time.time(), 4)
            entry[3] = self.server.manager.answers.get((self.name, number), False)
            if done:
                return
            number += 1
            # A model goes on at its own pace: what was held up is caught up with.
            await asyncio.sleep(max(0, begun + number / self.fps - time.time()))


async def main():
    options = parse()
    logger = logging.getLogger("quiet")
    logger.disabled = True
    servers = []
    for _ in range(options.workers):
        manager = Manager(options.redis, redis_options=json.loads(options.options), logger=logger)
        server = socketio.AsyncServer(async_mode="asgi", client_manager=manager, logger=logger)
        server.manager_initialized = True
        manager.initialize()
        servers.append(server)
    chats = [Chat(servers[i % options.workers], f"{options.pod}{i}", options.fps) for i in range(options.chats)]
    everything = {f"{pod}{i}" for pod in options.pods.split(",") for i in range(options.chats)}
    tasks = [asyncio.create_task(chat.run()) for chat in chats]
    for place, server in enumerate(servers):
        own = {chat.name for chat in chats if chat.server is server}
        while not everything - own <= server.manager.chats_heard:
            await asyncio.sleep(0.02)
    versions = {name: importlib.metadata.version(name) for name in ("python-socketio", "redis")}
    tell({"event": "warm", "versions": versions})
    told = json.loads(await asyncio.to_thread(sys.stdin.readline))
    for place, chat in enumerate(chats):
        chat.ends_at = told["fault"] + (told["early"] if place == 0 else told["end"])
    await asyncio.wait(tasks, timeout=max(0, told["fault"] + told["end"] + GRACE / 2 - time.time()))
    await asyncio.sleep(max(0, told["fault"] + told["end"] + GRACE - time.time()))
    tell(
        {
            "event": "result",
            "chats": [{"name": chat.name, "worker": servers.index(chat.server), "sent": chat.sent} for chat in chats],
            "workers": [server.manager.heard for server in servers],
        }
    )
    # Tasks that hang in a dead connection are no reason to stay.
    os._exit(0)


asyncio.run(main())
