"""An HTTP server on loopback, in place of the Hugging Face Hub."""

import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    """Answers quietly, with a body unless only the headers are asked for."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments):
        """Keep quiet."""

    def send(self, content: bytes, status: int = 200, headers: Mapping[str, str] | None = None):
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)


class LocalServer(ThreadingHTTPServer):
    """Serves from its own thread until it is closed.

    Args:
        handler: class that answers.
    """

    daemon_threads = True

    def __init__(self, handler: type[Handler]):
        super().__init__(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def close(self):
        self.shutdown()
        self.server_close()
