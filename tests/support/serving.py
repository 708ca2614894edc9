"""A server of the standard library for the length of a `with`."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TypeVar

__all__ = ["serving"]

Book = TypeVar("Book")


@contextmanager
def serving(handler: type[BaseHTTPRequestHandler], open_book: Callable[[str], Book]) -> Iterator[Book]:
    """Serve on loopback.

    Args:
        handler: finds the book as `self.server.book`.
        open_book: makes it from the server's address, "http://127.0.0.1:PORT".
    """
    http = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    http.daemon_threads = False  # closing waits for requests under way
    book = open_book(f"http://127.0.0.1:{http.server_port}")
    http.book = book  # type: ignore[attr-defined]
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield book
    finally:
        http.shutdown()
        thread.join()
        http.server_close()
