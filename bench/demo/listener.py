"""A pod's python-socketio server, listening: one AsyncServer with its AsyncRedisManager for each channel.

Usage: listener.py URL, with a line of JSON on stdin: the list of channels. For every message that the manager takes off its
subscription, a line goes to stdout: the channel's number in that list, the payload's digest, whether it is a warm-up.
At the end of stdin a last line says how many messages the manager has read as frames: "decoded N".
"""

import asyncio
import hashlib
import json
import sys

import socketio

decoded = 0


def manager_for(number, url, channel):
    class Listening(socketio.AsyncRedisManager):
        async def _listen(self):
            async for data in super()._listen():
                digest = hashlib.sha256(data).hexdigest()[:16]
                warm = int(len(data) < 256 and b"warm_up" in data)
                print(number, digest, warm, flush=True)
                yield data

        async def _handle_emit(self, message):
            global decoded
            decoded += "warm_up" not in str(message.get("event"))
            await super()._handle_emit(message)

    manager = Listening(url, channel=channel)
    socketio.AsyncServer(async_mode="asgi", client_manager=manager)
    manager.initialize()
    return manager


async def main():
    reader = asyncio.StreamReader(limit=1 << 22)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    channels = json.loads(await reader.readline())
    managers = [manager_for(number, sys.argv[1], channel) for number, channel in enumerate(channels)]
    while await reader.readline():
        pass
    print("decoded", decoded, len(managers), flush=True)


asyncio.run(main())
