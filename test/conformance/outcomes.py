"""A pytest plugin that writes one JSON line for each finished test.

It stands between redis-py's suite and run.mjs: the suite's own settings pass output through (-s), so the terminal
is no reliable source, and node ids hold characters that XML reports change. The file is flushed after every test, so
that a leg that is cut off by its time limit still says which tests had ended.

Line: {"id": node id, "outcome": "passed" | "failed" | "skipped", "seconds": float, "reason": str}
"""

import json
import os

_path = os.environ["CONFORMANCE_OUTCOMES"]
_rank = {"passed": 0, "skipped": 1, "failed": 2}
_open = {}


def _reason(report):
    if report.outcome == "passed":
        return ""
    crash = getattr(report.longrepr, "reprcrash", None)
    if crash is not None:
        return str(crash.message)
    if isinstance(report.longrepr, tuple):
        return str(report.longrepr[-1])
    return str(report.longrepr or "")[-2000:]


def pytest_runtest_logreport(report):
    """Folds set-up, call and tear-down into one outcome: the worst of the three."""
    entry = _open.setdefault(report.nodeid, {"outcome": "passed", "seconds": 0.0, "reason": ""})
    entry["seconds"] += report.duration
    if _rank[report.outcome] > _rank[entry["outcome"]]:
        entry["outcome"] = report.outcome
        entry["reason"] = (report.when + ": " if report.when != "call" else "") + _reason(report)
    if report.when != "teardown":
        return
    del _open[report.nodeid]
    line = json.dumps({"id": report.nodeid, **entry})
    with open(_path, "a", encoding="utf-8") as out:
        out.write(line + "\n")
