"""How long is an app deaf? python-socketio's AsyncRedisManager publishes a tick at an interval and another one listens,
each with its own way of coming back after a fault.

Usage: probe.py PUBLISH-URL LISTEN-URL CHANNEL INTERVAL-MS. Lines on stdout: "P number" published, "E number" given up,
"H number" heard. It ends with its stdin.
"""

import asyncio
import json
import logging
import sys

import socketio


class Publisher(socketio.AsyncRedisManager):
    """Says which publication was given up: the manager itself logs it and returns nothing."""

    async def tick(self, number):
        data = {"method": "emit", "event": "tick", "data": [number], "binary": False, "namespace": "/"}
        data |= {"room": "probe", "skip_sid": None, "callback": None, "host_id": self.host_id}
        result = await self._publish(data)
        print("E" if result is None else "P", number, flush=True)


def silent():
    logger = logging.getLogger("probe")
    logger.addHandler(logging.NullHandler())
    logger.propagate = False
    return logger


async def main():
    publish_url, listen_url, channel, interval = sys.argv[1:5]
    publisher = Publisher(publish_url, channel=channel, write_only=True, logger=silent())
    listener = socketio.AsyncRedisManager(listen_url, channel=channel, logger=silent())

    async def listen():
        async for data in listener._listen():
            print("H", json.loads(data)["data"][0], flush=True)

    async def speak():
        number = 0
        while True:
            # One publication waits for the one before it, as the emits of one answer do.
            await publisher.tick(number)
            number += 1
            await asyncio.sleep(int(interval) / 1000)

    tasks = [asyncio.ensure_future(listen()), asyncio.ensure_future(speak())]
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    for task in tasks:
        task.cancel()


asyncio.run(main())
