"""How a test drives a Python peer: one JSON object a line, requests on stdin, answers and events on stdout.

A request is {"id": 7, "op": "emit", …}; its answer {"id": 7, "value": …} or {"id": 7, "error": "…"}. Requests run
concurrently, so a test that wants an order awaits each answer. Bytes and tuples, which JSON has not, are written
{"$bytes": "<base64>"} and {"$tuple": […]}. The process ends when its stdin does.
"""

import asyncio
import base64
import json
import os
import sys


def from_wire(value):
    """Turns the JSON form of a value into the Python value that is given to python-socketio."""
    if isinstance(value, dict):
        if set(value) == {"$bytes"}:
            return base64.b64decode(value["$bytes"])
        if set(value) == {"$tuple"}:
            return tuple(from_wire(item) for item in value["$tuple"])
        return {key: from_wire(item) for key, item in value.items()}
    if isinstance(value, list):
        return [from_wire(item) for item in value]
    return value


def to_wire(value):
    """The reverse of from_wire, for what a client has answered."""
    if isinstance(value, (bytes, bytearray)):
        return {"$bytes": base64.b64encode(value).decode()}
    if isinstance(value, dict):
        return {key: to_wire(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_wire(item) for item in value]
    return value


def tell(message):
    """Writes one line to the test."""
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def growing_message(chat_id, message_id, text, done):
    """Open WebUI's frame of a growing answer (0.9): the whole message so far."""
    data = {"type": "chat:completion", "data": {"content": text, "done": done}}
    return {"chat_id": chat_id, "message_id": message_id, "data": data}


def delta_message(chat_id, message_id, text, index):
    """Open WebUI's frame of one token (0.11.1 and later): only what is new, in a large envelope."""
    event = {
        "type": "response.output_text.delta",
        "item_id": f"msg_{message_id}",
        "output_index": 0,
        "content_index": 0,
        "sequence_number": index,
        "delta": text,
    }
    return {"chat_id": chat_id, "message_id": message_id, "data": {"type": "response:completion", "data": event}}


async def run_stream(emit, request):
    """Emits all chats of a `stream` request at the same time, each in its own order.

    `emit` is the peer's own coroutine function emit(event, data, room, namespace).
    """

    async def one(chat):
        text = chat.get("text", "")
        last = len(request["tokens"]) - 1
        for index, token in enumerate(request["tokens"]):
            if request.get("shape") == "delta":
                data = delta_message(chat["chat_id"], chat["message_id"], token, index)
            else:
                text += token
                data = growing_message(chat["chat_id"], chat["message_id"], text, index == last)
            await emit("events", data, chat.get("room"), request.get("namespace"))
            pause = request.get("pause_ms", 0)
            if pause:
                await asyncio.sleep(pause / 1000)

    await asyncio.gather(*(one(chat) for chat in request["chats"]))


async def serve(operations):
    """Answers requests until stdin ends, then ends the process. `operations` maps an op to its coroutine function."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=64 * 1024 * 1024)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    running = set()

    async def perform(request):
        if request["op"] == "batch":
            # Several operations without the test's round trip in between.
            return [await perform(step) for step in request["steps"]]
        return to_wire(await operations[request["op"]](request))

    async def answer(request):
        try:
            tell({"id": request["id"], "value": await perform(request)})
        except Exception as error:  # the test decides what an error means
            tell({"id": request["id"], "error": f"{type(error).__name__}: {error}"})

    while True:
        line = await reader.readline()
        if not line:
            # No orderly shutdown: its time would be the test's, and the test looks at nothing after this.
            sys.stdout.flush()
            os._exit(0)
        task = asyncio.ensure_future(answer(json.loads(line)))
        running.add(task)
        task.add_done_callback(running.discard)
