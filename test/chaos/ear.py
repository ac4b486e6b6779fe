"""A subscriber as Open WebUI has it: python-socketio's AsyncRedisManager over redis-py, with its own way of coming back.

Usage: ear.py URL CHANNEL. Lines on stdout: "S" subscribed, "L why" lost, "M digest" a message. It ends with its stdin.
"""

import asyncio
import hashlib
import logging
import sys

import socketio


def say(*words):
    print(*words, flush=True)


class Says(logging.Handler):
    """The manager logs a lost connection and goes on by itself."""

    def emit(self, record):
        say("L", getattr(record, "redis_exception", record.getMessage()))


class Ear(socketio.AsyncRedisManager):
    def _redis_connect(self):
        super()._redis_connect()
        # Acknowledgements are wanted here, to know from when on it hears.
        self.pubsub.ignore_subscribe_messages = False


async def main():
    logger = logging.getLogger("ear")
    logger.addHandler(Says())
    ear = Ear(sys.argv[1], channel=sys.argv[2], logger=logger)

    async def listen():
        async for message in ear._redis_listen_with_retries():
            if message["type"] == "subscribe":
                say("S")
            elif message["type"] == "message":
                say("M", hashlib.sha256(message["data"]).hexdigest()[:32])

    task = asyncio.ensure_future(listen())
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    task.cancel()


asyncio.run(main())
