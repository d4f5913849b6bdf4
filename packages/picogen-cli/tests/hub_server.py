"""A small server that speaks the Hugging Face hub's protocol: repositories, commits, LFS, files."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

TOKEN = "hf_right"


class Hub(ThreadingHTTPServer):
    """commits: for each repository its trees by revision, `main` and the commits' names.

    seen: every request, as `METHOD /path`.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.repos: dict[str, dict[str, dict[str, bytes]]] = {}
        self.blobs: dict[str, bytes] = {}
        self.large: set[bytes] = set()
        self.seen: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def commit(self, repo: str, files: dict[str, bytes]) -> str:
        """Add files to main; return the name of the commit."""
        trees = self.repos.setdefault(repo, {"main": {}})
        tree = trees["main"] | files
        name = hashlib.sha1(repr(sorted(tree.items())).encode()).hexdigest()
        trees["main"] = trees[name] = tree
        return name


class Answer(BaseHTTPRequestHandler):
    server: Hub

    def log_message(self, *arguments: Any) -> None:
        pass

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = self.note()
        parts = path.strip("/").split("/")
        if parts[:2] == ["api", "models"]:
            repo = "/".join(parts[2:4])
            revision = parts[5] if parts[4:5] == ["revision"] else "main"
            if (tree := self.tree(repo, revision)) is None:
                return
            files = [{"rfilename": n, "size": len(d), "blobId": "0"} for n, d in tree.items()]
            self.send({"id": repo, "sha": self.sha(repo, revision), "siblings": files})
        elif parts[2:3] == ["resolve"]:
            repo, revision, name = "/".join(parts[:2]), parts[3], "/".join(parts[4:])
            if (tree := self.tree(repo, revision)) is None:
                return
            if name not in tree:
                self.refuse(404, "EntryNotFound")
                return
            data = tree[name]
            self.send_response(200)
            self.send_header("ETag", f'"{hashlib.sha256(data).hexdigest()}"')
            self.send_header("X-Repo-Commit", self.sha(repo, revision))
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(data)
        else:
            self.refuse(404, "")

    def do_PUT(self) -> None:
        oid = self.note().rpartition("/")[2]
        data = self.body()
        assert hashlib.sha256(data).hexdigest() == oid
        self.server.blobs[oid] = data
        self.send({})

    def do_POST(self) -> None:
        path = self.note()
        body, parts = self.body(), path.strip("/").split("/")
        if path == "/api/validate-yaml":
            self.send({"errors": [], "warnings": []})
        elif self.headers.get("Authorization") != f"Bearer {TOKEN}":
            self.refuse(401, "")
        elif path == "/api/repos/create":
            wanted = json.loads(body)
            repo = f"{wanted.get('organization') or 'me'}/{wanted['name']}"
            if repo.startswith("others/"):
                self.refuse(403, "")
                return
            known = repo in self.server.repos
            self.server.repos.setdefault(repo, {"main": {}})
            self.send({"url": f"{self.server.url}/{repo}", "id": repo}, 409 if known else 200)
        elif "preupload" in parts:
            files = json.loads(body)["files"]
            self.send({"files": [self.mode(file) for file in files]})
        elif path.endswith("/info/lfs/objects/batch"):
            objects = json.loads(body)["objects"]
            for one in objects:
                one["actions"] = {"upload": {"href": f"{self.server.url}/blobs/{one['oid']}"}}
            self.send({"objects": objects, "transfer": "basic"})
        elif "commit" in parts:
            repo = "/".join(parts[2:4])
            name = self.server.commit(repo, self.committed(body))
            url = f"{self.server.url}/{repo}/commit/{name}"
            self.send({"success": True, "commitUrl": url, "commitOid": name})
        else:
            self.refuse(404, "")

    def mode(self, file: dict[str, Any]) -> dict[str, Any]:
        large = file["path"].endswith(".safetensors")
        return {
            "path": file["path"],
            "uploadMode": "lfs" if large else "regular",
            "shouldIgnore": False,
        }

    def committed(self, body: bytes) -> dict[str, bytes]:
        found = {}
        for line in body.splitlines():
            entry = json.loads(line)
            value = entry["value"]
            if entry["key"] == "file":
                found[value["path"]] = base64.b64decode(value["content"])
            elif entry["key"] == "lfsFile":
                found[value["path"]] = self.server.blobs[value["oid"]]
        return found

    def tree(self, repo: str, revision: str) -> dict[str, bytes] | None:
        trees = self.server.repos.get(repo)
        if trees is None:
            self.refuse(401 if "Authorization" not in self.headers else 404, "RepoNotFound")
        elif revision not in trees:
            self.refuse(404, "RevisionNotFound")
        else:
            return trees[revision]
        return None

    def sha(self, repo: str, revision: str) -> str:
        trees = self.server.repos[repo]
        return next((n for n in trees if n != "main" and trees[n] == trees[revision]), "0" * 40)

    def note(self) -> str:
        path = unquote(urlsplit(self.path).path)
        self.server.seen.append(f"{self.command} {path}")
        return path

    def body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") == "chunked":
            data = b""
            while size := int(self.rfile.readline(), 16):
                data += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return data
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def send(self, data: Any, status: int = 200) -> None:
        text = json.dumps(data).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(text)

    def refuse(self, status: int, code: str) -> None:
        self.send_response(status)
        if code:
            self.send_header("X-Error-Code", code)
        self.send_header("Content-Length", "0")
        self.end_headers()


@contextmanager
def serving() -> Iterator[Hub]:
    """Context with the server on loopback."""
    with Hub() as hub:
        thread = threading.Thread(target=hub.serve_forever, daemon=True)
        thread.start()
        try:
            yield hub
        finally:
            hub.shutdown()
            thread.join()
