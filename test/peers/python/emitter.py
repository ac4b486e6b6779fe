"""A process that only publishes: python-socketio's write-only managers, asynchronous and synchronous, as a task worker
beside the app uses them. Driven by a test (see control.py); `ready` carries no port, as nobody can connect.
"""

import argparse
import asyncio
import importlib.metadata

import socketio

from control import from_wire, run_stream, serve, tell
from formats import json_module


def parse():
    parser = argparse.ArgumentParser()
    parser.add_argument("--redis", required=True)
    parser.add_argument("--protocol", type=int, choices=[2, 3], required=True)
    parser.add_argument("--json", choices=["stdlib", "compact"], default="stdlib")
    parser.add_argument("--kind", choices=["async", "sync"], default="async")
    return parser.parse_args()


def manager_of(options, kind):
    settings = {"write_only": True, "redis_options": {"protocol": options.protocol}}
    if options.json == "compact":
        settings["json"] = json_module("compact")
    kinds = {"async": socketio.AsyncRedisManager, "sync": socketio.RedisManager}
    return kinds[kind](options.redis, **settings)


class Writer:
    """The same operations as a server's, as far as a write-only manager has them."""

    def __init__(self, manager, sync):
        self.manager = manager
        self.sync = sync

    async def _do(self, method, *args, **keywords):
        if self.sync:
            # One after the other, away from the loop, as a synchronous worker would.
            await asyncio.to_thread(method, *args, **keywords)
        else:
            await method(*args, **keywords)

    async def emit(self, request):
        target = {key: request[key] for key in ("room", "namespace", "skip_sid") if key in request}
        await self._do(self.manager.emit, request["event"], from_wire(request.get("data")), **target)

    async def enter(self, request):
        await self._do(self.manager.enter_room, request["sid"], request.get("namespace", "/"), request["room"])

    async def leave(self, request):
        await self._do(self.manager.leave_room, request["sid"], request.get("namespace", "/"), request["room"])

    async def close(self, request):
        await self._do(self.manager.close_room, request["room"], request.get("namespace", "/"))

    async def disconnect(self, request):
        await self._do(self.manager.can_disconnect, request["sid"], request.get("namespace", "/"))

    async def stream(self, request):
        async def emit(event, data, room, namespace):
            await self._do(self.manager.emit, event, data, room=room, namespace=namespace)

        await run_stream(emit, request)

    def operations(self):
        return {name: getattr(self, name) for name in "emit enter leave close disconnect stream".split()}


async def main():
    options = parse()
    manager = manager_of(options, options.kind)
    tell({"event": "ready", "port": 0, "versions": {"python-socketio": importlib.metadata.version("python-socketio")}})
    await serve(Writer(manager, options.kind == "sync").operations())


asyncio.run(main())
