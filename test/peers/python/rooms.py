"""A client manager with a channel per room, as Open WebUI has it from 0.12 on: an emit to a room is published on
`socketio#<namespace>#<room>`. In the `exact` form (0.12.3) a pod subscribes to the channels of its own rooms only, and
an entry into a room is complete when a pub/sub PONG has shown that the subscription holds; in the `pattern` form
(0.12.0) it subscribes to `socketio#*` and sorts out itself.
"""

import asyncio

import socketio


class RoomManager(socketio.AsyncRedisManager):
    """`form` is "exact" or "pattern". Needs python-socketio 5.14 or later (JSON on the channel)."""

    def __init__(self, url, form, **options):
        super().__init__(url, **options)
        self._exact = form == "exact"
        self._members = {}
        self._pongs = {}
        self._ping = 0

    def _room_channel(self, namespace, room):
        return f"{self.channel}#{namespace}#{room}"

    async def enter_room(self, sid, namespace, room, eio_sid=None):
        if self.is_connected(sid, namespace) and isinstance(room, str):
            await self._hear(self._room_channel(namespace, room))
        await super().enter_room(sid, namespace, room, eio_sid=eio_sid)

    async def connect(self, eio_sid, namespace):
        # A client is a room of its own, named by its sid.
        sid = await super().connect(eio_sid, namespace)
        await self._hear(self._room_channel(namespace, sid))
        return sid

    async def _hear(self, channel):
        """Resolves when messages on the room's channel reach this pod."""
        known = self._members.get(channel)
        if known is None:
            known = self._members[channel] = asyncio.ensure_future(self._subscribe_room(channel))
        await known

    async def _subscribe_room(self, channel):
        if not self._exact:
            return
        while self.pubsub is None or not self.pubsub.subscribed:
            await asyncio.sleep(0.01)
        await self.pubsub.subscribe(channel)
        self._ping += 1
        token = f"room-{self._ping}"
        pong = self._pongs[token] = asyncio.get_running_loop().create_future()
        await self.pubsub.ping(token)
        await asyncio.wait_for(pong, 10)

    async def _publish(self, data):
        channel = self.channel
        if data.get("method") == "emit" and isinstance(data.get("room"), str):
            channel = self._room_channel(data["namespace"], data["room"])
        if not self.connected:
            self._redis_connect()
        return await self.redis.publish(channel, self.json.dumps(data))

    async def _listen(self):
        if not self.connected:
            self._redis_connect()
        await self.pubsub.subscribe(self.channel)
        if not self._exact:
            await self.pubsub.psubscribe(f"{self.channel}#*")
        async for message in self.pubsub.listen():
            data = message.get("data")
            if message["type"] == "pong":
                token = data.decode() if isinstance(data, bytes) else data
                pong = self._pongs.pop(token, None)
                if pong is not None:
                    pong.set_result(True)
            elif message["type"] == "message":
                yield data
            elif message["type"] == "pmessage" and message["channel"].decode() in self._members:
                yield data
