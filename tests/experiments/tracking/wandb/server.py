"""A W&B server as small as wandb's client lets it be, on this machine; or one that fails."""

import gzip
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal

Behaviour = Literal["works", "hangs", "answers 500", "refuses the key"]
STATUS = {"answers 500": 500, "refuses the key": 401}


class Server(ThreadingHTTPServer):
    """Keeps what it was sent: per run its config, tags, history rows and summary."""

    daemon_threads = True

    def __init__(self, behaviour: Behaviour) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.behaviour = behaviour
        self.asked = 0
        self.runs: dict[str, dict[str, Any]] = {}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        """Quiet."""

    def do_GET(self) -> None:
        self.answer(200, {})

    def do_PUT(self) -> None:
        self.body()
        self.answer(200, {})

    def do_POST(self) -> None:
        server = self.server
        server.asked += 1
        body = self.body()
        if server.behaviour == "hangs":
            time.sleep(600)
        elif server.behaviour in STATUS:
            self.answer(STATUS[server.behaviour], {"errors": [{"message": "no"}]})
        elif self.path.endswith("/file_stream"):
            self.answer(200, self.stream(self.path.split("/")[-2], json.loads(body)))
        elif self.path == "/graphql":
            self.answer(200, {"data": self.graphql(json.loads(body))})
        else:
            self.answer(200, {})

    def body(self) -> bytes:
        data = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        return gzip.decompress(data) if self.headers.get("Content-Encoding") == "gzip" else data

    def answer(self, status: int, content: dict[str, Any]) -> None:
        data = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def stream(self, name: str, sent: dict[str, Any]) -> dict[str, Any]:
        run = self.server.runs[name]
        for file, part in sent.get("files", {}).items():
            if file == "wandb-history.jsonl":
                offset = part["offset"]
                run["history"][offset:] = [json.loads(line) for line in part["content"]]
            elif file == "wandb-summary.json":
                run["summary"] = json.loads(part["content"][-1])
        return {}

    def graphql(self, sent: dict[str, Any]) -> dict[str, Any]:
        query, values = sent["query"], sent.get("variables") or {}
        if "upsertBucket" in query:
            return {"upsertBucket": self.upsert(values)}
        if "RunResumeStatus" in query:
            run = self.server.runs.get(values["name"])
            return {"model": {"bucket": run and self.resumed(values["name"], run)}}
        if "viewer" in query:
            return {"viewer": {"id": "1", "entity": "me", "username": "me", "flags": "{}"}}
        if "createRunFiles" in query:
            return {"createRunFiles": {"runID": "1", "uploadHeaders": [], "files": []}}
        return {}

    def upsert(self, values: dict[str, Any]) -> dict[str, Any]:
        name = values["name"]
        new = name not in self.server.runs
        run = self.server.runs.setdefault(name, {"history": [], "summary": {}, "config": {}})
        if values.get("config"):
            run["config"].update(json.loads(values["config"]))
        for key in ("tags", "groupName", "jobType", "displayName"):
            if values.get(key) is not None:
                run[key] = values[key]
        return {"bucket": self.bucket(name, run), "inserted": new}

    def bucket(self, name: str, run: dict[str, Any]) -> dict[str, Any]:
        project = {"name": "radam", "entity": {"name": "me"}}
        return {
            "id": name,
            "name": name,
            "displayName": run.get("displayName"),
            "description": None,
            "config": json.dumps(run["config"]),
            "sweepName": None,
            "project": project,
            "historyLineCount": len(run["history"]),
        }

    def resumed(self, name: str, run: dict[str, Any]) -> dict[str, Any]:
        tail = [json.dumps(row) for row in run["history"][-1:]]
        return {
            **self.bucket(name, run),
            "logLineCount": 0,
            "eventsLineCount": 0,
            "historyTail": json.dumps(tail),
            "eventsTail": "[]",
            "summaryMetrics": json.dumps(run["summary"]),
            "tags": run.get("tags"),
            "wandbConfig": '{"t": 1}',  # what tells the client that the run has begun
        }


@contextmanager
def serving(behaviour: Behaviour) -> Iterator[Server]:
    server = Server(behaviour)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
