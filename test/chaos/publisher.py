"""A publishing app on redis-py's asyncio client, with a pool of connections and no retries.

Usage: publisher.py URL. Lines on stdin: "number channel base64", or "let-go" to close what is idle in the pool; on stdout: "ready", then
"number ok", or "number" and one of error, unsure (its connection has ended) and late (no answer within redis-py's
timeout), with a text. It ends with its stdin.
"""

import asyncio
import base64
import sys

from redis import asyncio as aioredis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError, TimeoutError


async def publish(redis, number, channel, payload):
    try:
        await redis.publish(channel, base64.b64decode(payload))
        print(number, "ok", flush=True)
    except ResponseError as error:
        print(number, "error", error, flush=True)
    except TimeoutError as error:
        print(number, "late", error, flush=True)
    except (RedisError, OSError) as error:
        print(number, "unsure", repr(error), error, flush=True)


async def main():
    redis = aioredis.Redis.from_url(sys.argv[1], retry=Retry(NoBackoff(), 0), socket_timeout=5, max_connections=40)
    reader = asyncio.StreamReader(limit=1 << 24)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    print("ready", flush=True)
    tasks = set()
    while line := await reader.readline():
        if line == b"let-go\n":
            await redis.connection_pool.disconnect(inuse_connections=False)
            continue
        task = asyncio.ensure_future(publish(redis, *line.decode().split()))
        tasks.add(task)
        task.add_done_callback(tasks.discard)


asyncio.run(main())
