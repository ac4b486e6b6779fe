"""One pod's app: a real python-socketio AsyncServer over AsyncRedisManager, driven by a test (see control.py).

Prints {"event": "ready", "port": N, "versions": {…}} when it accepts clients.
"""

import argparse
import asyncio
import importlib.metadata
import socket

import socketio
from aiohttp import web

from control import from_wire, run_stream, serve, tell, to_wire
from formats import json_module


def parse():
    parser = argparse.ArgumentParser()
    parser.add_argument("--redis", required=True)
    parser.add_argument("--protocol", type=int, choices=[2, 3], required=True)
    parser.add_argument("--json", choices=["stdlib", "compact"], default="stdlib")
    parser.add_argument("--rooms", choices=["shared", "exact", "pattern"], default="shared")
    return parser.parse_args()


def manager_of(options):
    redis_options = {"protocol": options.protocol}
    if options.rooms == "shared":
        return socketio.AsyncRedisManager(options.redis, redis_options=redis_options)
    from rooms import RoomManager

    return RoomManager(options.redis, options.rooms, redis_options=redis_options)


class Pod:
    """The operations that a test can ask for; each is the python-socketio call of the same name."""

    def __init__(self, sio):
        self.sio = sio

    @staticmethod
    def _target(request):
        return {key: request[key] for key in ("room", "namespace", "skip_sid") if key in request}

    async def emit(self, request):
        await self.sio.emit(request["event"], from_wire(request.get("data")), **self._target(request))

    async def call(self, request):
        """Emits to one client, wherever it is connected, and returns its acknowledgement."""
        try:
            return await self.sio.call(
                request["event"],
                from_wire(request.get("data")),
                to=request["to"],
                namespace=request.get("namespace"),
                timeout=request.get("timeout", 10),
            )
        except socketio.exceptions.TimeoutError:
            return {"timeout": True}

    async def emit_with_callback(self, request):
        """Emits to a client with a callback and returns the arguments that the callback got."""
        answered = asyncio.get_running_loop().create_future()

        def callback(*args):
            if not answered.done():
                answered.set_result(args)

        await self.sio.emit(
            request["event"],
            from_wire(request.get("data")),
            to=request["to"],
            namespace=request.get("namespace"),
            callback=callback,
        )
        return await asyncio.wait_for(answered, 10)

    async def send(self, request):
        await self.sio.send(from_wire(request.get("data")), **self._target(request))

    async def enter(self, request):
        await self.sio.enter_room(request["sid"], request["room"], namespace=request.get("namespace"))

    async def leave(self, request):
        await self.sio.leave_room(request["sid"], request["room"], namespace=request.get("namespace"))

    async def close(self, request):
        await self.sio.close_room(request["room"], namespace=request.get("namespace"))

    async def rooms(self, request):
        return sorted(self.sio.rooms(request["sid"], namespace=request.get("namespace")))

    async def disconnect(self, request):
        await self.sio.disconnect(request["sid"], namespace=request.get("namespace"))

    async def stream(self, request):
        async def emit(event, data, room, namespace):
            await self.sio.emit(event, data, room=room, namespace=namespace)

        await run_stream(emit, request)

    def operations(self):
        names = "emit call emit_with_callback send enter leave close rooms disconnect stream".split()
        return {name: getattr(self, name) for name in names}


def handlers_of(sio, namespace):
    """What every app has: clients come and go, and may say something to the others."""

    @sio.on("connect", namespace=namespace)
    async def connect(sid, environ, auth=None):
        return True

    @sio.on("say", namespace=namespace)
    async def say(sid, data):
        await sio.emit("said", data, skip_sid=sid, namespace=namespace)
        return {"heard": to_wire(data)}


async def main():
    options = parse()
    sio = socketio.AsyncServer(
        async_mode="aiohttp",
        client_manager=manager_of(options),
        json=json_module(options.json),
        cors_allowed_origins="*",
        max_http_buffer_size=16 * 1024 * 1024,
        namespaces="*",
    )
    for namespace in ("/", "/admin"):
        handlers_of(sio, namespace)
    app = web.Application()
    sio.attach(app)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    await web.SockSite(runner, listener).start()
    versions = {name: importlib.metadata.version(name) for name in ("python-socketio", "redis")}
    tell({"event": "ready", "port": listener.getsockname()[1], "versions": versions})
    await serve(Pod(sio).operations())


asyncio.run(main())
