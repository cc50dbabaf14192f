"""Three threads compute; a fourth answers requests; nobody starves.  The interpreter's lock is handed over only when the timed wait of a
thread that wants it has run out, and a thread that computes makes no system call that would let it."""
import http.client
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

stop = False
turns = [0, 0, 0]


def compute(i):
    while not stop:
        turns[i] += 1


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        body = self.path.encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
busy = [threading.Thread(target=compute, args=(i,)) for i in range(3)]
for t in busy:
    t.start()
for i in range(10):
    c = http.client.HTTPConnection(*server.server_address)
    c.request("GET", f"/{i}")
    print(c.getresponse().read().decode())
    c.close()
while min(turns) * 20 < max(turns):
    pass
stop = True
for t in busy:
    t.join()
server.shutdown()
print("all computed", all(turns))
