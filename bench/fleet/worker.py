"""One worker of an app: a real python-socketio AsyncServer over AsyncRedisManager with a port for browsers, made as Open WebUI
makes it. Nothing of the manager is changed; what it hands on is counted.

Usage: worker.py URL. Prints {"port": N} when browsers may connect; they say their user in `auth`. As Open WebUI does, the
worker writes the socket to the session pool and then lets it join its user's room. Each line on stdin is answered with the
counts: {"warm": N, "emits": N}, of frames of the event "warm_up" and of all others.
"""

import asyncio
import json
import logging
import sys
import time

import socketio
from aiohttp import web

POOL = "open-webui:session_pool"


class Counting(socketio.AsyncRedisManager):
    """Counts what the real one hands on, after it has been received and decoded."""

    def __init__(self, *args, **keywords):
        super().__init__(*args, **keywords)
        self.counts = {"warm": 0, "emits": 0}

    async def _handle_emit(self, message):
        self.counts["warm" if message["event"] == "warm_up" else "emits"] += 1
        await super()._handle_emit(message)


def tell(message):
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


async def main():
    logger = logging.getLogger("quiet")
    logger.disabled = True
    manager = Counting(sys.argv[1], redis_options={"socket_timeout": None}, logger=logger)
    server = socketio.AsyncServer(async_mode="aiohttp", transports=["websocket"], client_manager=manager, logger=logger)
    server.manager_initialized = True
    manager.initialize()

    @server.event
    async def connect(sid, environ, auth):
        user = auth["user"]
        entry = {"id": user, "email": f"{user}@example.org", "name": "Somebody", "role": "user"}
        await manager.redis.hset(POOL, sid, json.dumps({**entry, "last_seen_at": int(time.time())}))
        await server.enter_room(sid, f"user:{user}")

    app = web.Application()
    server.attach(app)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    tell({"port": runner.addresses[0][1]})
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while await reader.readline():
        tell(manager.counts)


asyncio.run(main())
