#!/usr/bin/python3 -B
"""The echo server on gevent: a greenlet per connection.  echo_gevent.py PORT; 0: any free port; the one in use is printed.

Needs: python3-gevent
"""
import socket
import sys

from gevent.server import StreamServer


def serve(connection, _):
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    while data := connection.recv(4096):
        connection.sendall(data)


server = StreamServer(("127.0.0.1", int(sys.argv[1])), serve, backlog=4096)
server.start()
print("port", server.server_port, flush=True)
server.serve_forever()
