"""The two ways in which Open WebUI releases write JSON on the shared channel: the standard library's (before 0.12)
and compact raw UTF-8 (0.12, by orjson). Without orjson the standard library writes the same bytes."""

import json

try:
    import orjson
except ImportError:
    orjson = None


class CompactJson:
    """A module-like object with python-socketio's idea of a JSON module. Keyword arguments are accepted, not used."""

    @staticmethod
    def dumps(value, **_):
        if orjson is None:
            return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
        return orjson.dumps(value).decode()

    @staticmethod
    def loads(text, **_):
        return json.loads(text) if orjson is None else orjson.loads(text)


def json_module(name):
    """`stdlib` or `compact`."""
    return CompactJson if name == "compact" else json
