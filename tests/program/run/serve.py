"""A task: answers HTTP at an address, until SIGTERM, and then whoever has connected already. `/ready` is 200 while a file
is there. It ends with its parent, so that no test leaves it behind."""

import os
import signal
import socket
import sys

address, port, ready = sys.argv[1], int(sys.argv[2]), sys.argv[3]
stopping = False
parent = os.getppid()


def stop(*_):
    global stopping
    stopping = True


def answer(connection):
    try:
        connection.settimeout(2)
        request = b""
        while b"\r\n\r\n" not in request:
            more = connection.recv(4096)
            if not more:
                return
            request += more
        ok = not request.startswith(b"GET /ready ") or os.path.exists(ready)
        status = b"200 OK" if ok else b"503 Service Unavailable"
        connection.sendall(b"HTTP/1.1 %s\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok" % status)
    except OSError:
        pass
    finally:
        connection.close()


signal.signal(signal.SIGTERM, stop)
listener = socket.create_server((address, port), backlog=512)
listener.settimeout(0.05)
print("serving", flush=True)
while True:
    try:
        answer(listener.accept()[0])
    except TimeoutError:
        if stopping or os.getppid() != parent:
            break
    else:
        if stopping:
            listener.settimeout(0)
            while True:
                try:
                    answer(listener.accept()[0])
                except (BlockingIOError, TimeoutError):
                    sys.exit(0)
