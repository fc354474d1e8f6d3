#!/usr/bin/env python3
"""Sends the conformance cases through a proxy to whatever real server is behind it (Python 3.8, standard library only).

  smuggle.py HOST:PORT CASES

What a case would smuggle gets a query of its own, so that it is known in the log of who has taken it for a request.
After each case come two honest requests on one connection. Each is for a file of its own, and has to be answered with that:
what a case has left behind on a connection to the upstream, which is kept and used again, would show there. Prints a line
for each that is not, and last how many were sent.
Of cases with a script for the upstream the request is sent.
"""
import concurrent.futures, json, os, socket, sys, types

here = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(here, "..", "conformance"))
import h1probe

# Files that tell what was asked for.
OWN = 64
AT_ONCE = 16
SETTINGS = types.SimpleNamespace(timeout=1.5, close_wait=0.3)

# Ways to write a coding so that one server sees it and another one does not; each is sent with a length beside it, too.
CODINGS = [
    "Transfer-Encoding: chunked", "Transfer-Encoding : chunked", "Transfer-Encoding:\x0bchunked", "Transfer-Encoding:\tchunked",
    "Transfer-Encoding: xchunked", "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity", "Transfer-Encoding: identity, chunked",
    "Transfer-Encoding: chunked, identity", "Transfer-Encoding: \"chunked\"", "Transfer-Encoding: chunked;q=1", "Transfer_Encoding: chunked",
    "transfer-encoding: CHUNKED", "Transfer-Encoding: chunked\x00", "Transfer-Encoding: \xa0chunked", "X: y\nTransfer-Encoding: chunked",
    "X: y\rTransfer-Encoding: chunked", " Transfer-Encoding: chunked", "X: y\r\n Transfer-Encoding: chunked", "Transfer-Encoding\r\n : chunked",
    "Transfer-Encoding:\r\n chunked", "Connection: Transfer-Encoding\r\nTransfer-Encoding: chunked", "Transfer-Encoding: gzip, chunked",
    "Transfer-Encoding: ,chunked", "Transfer-Encoding: chunked,", "Content-Encoding: chunked", "TE: chunked\r\nTransfer-Encoding: chunked",
    "Connection: close, Content-Length\r\nX: y", "Connection: Content-Length\r\nX: y", "Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAAQAAP__",
    "Expect: 100-continue", "Expect: 100-continue\r\nTransfer-Encoding: chunked", "Content-Length : 4", "Content-Length: +4", "Content-Length: 4, 4", "Content-Length: 4\r\nContent-Length: 44",
]
INSIDE = "GET /hello.txt?second HTTP/1.1\r\nHost: localhost\r\nX: "
BODIES = ["0\r\n\r\n" + INSIDE, "1c\r\n" + INSIDE + "\r\n0\r\n\r\n", "1\r\nZ\r\n0\r\n\r\n" + INSIDE, "0\r\n\r\n" + INSIDE + "\r\n\r\n"]


def made():
    """Cases that are made of the lists above."""
    for n, coding in enumerate(CODINGS):
        for m, body in enumerate(BODIES):
            for method in ("POST", "GET"):
                for length in ("", "Content-Length: %d\r\n" % len(body), "Content-Length: 4\r\n"):
                    raw = "%s /hello.txt?first HTTP/1.1\r\nHost: localhost\r\n%s%s\r\n\r\n%s" % (method, length, coding, body)
                    yield {"id": "SM-%d-%d-%s-%d" % (n, m, method, len(length)), "raw": raw}


def own(case):
    """The case with queries of its own."""
    mark = lambda text: text.replace("?second", "?second-" + case["id"]).replace("?first", "?first-" + case["id"])
    raw = case["raw"]
    return [mark(part) for part in raw] if isinstance(raw, list) else mark(raw)


def ask(address, raw, case=None):
    expect = {"status": [], "close": None, "fixlen": (case or {}).get("expect", {}).get("fixlen")}
    shaped = {"raw": raw, "expect": expect}
    for key in ("methods", "pause_ms", "shutdown_wr"):
        if case and key in case:
            shaped[key] = case[key]
    return h1probe.exchange(address, shaped, SETTINGS)[1]


def play(address, number, case):
    try:
        ask(address, own(case), case)
    except OSError:
        pass  # The proxy may end a connection however it likes.
    try:
        return honest(address, number, case["id"])
    except OSError as error:
        return "%s: the requests after it: %s" % (case["id"], error)


def honest(address, number, name):
    """What is wrong with the answers to two requests without guile."""
    with socket.create_connection(address, timeout=10) as link, link.makefile("rb") as answers:
        for path, end in (("/after-%d.txt" % (number % OWN), ""), ("/after-%d.txt" % ((number + OWN // 2) % OWN), "Connection: close\r\n")):
            link.sendall(("GET %s?after-%s HTTP/1.1\r\nHost: localhost\r\n%s\r\n" % (path, name, end)).encode())
            status, content = read(answers)
            if status != b"200" or content != path.encode() + b"\n":
                return "%s: %s after it got %s %s" % (name, path, status.decode(), content[:200])
        more = answers.read()
        return "%s: behind the last answer after it came %s" % (name, more[:200]) if more else None


def read(answers):
    """Status and content of an answer."""
    status, length = (answers.readline().split() + [b"", b""])[1], 0
    for line in iter(answers.readline, b""):
        name, _, value = line.strip().partition(b":")
        if not name:
            break
        if name.lower() == b"content-length":
            length = int(value)
    return status, answers.read(length)


def main():
    host, port = sys.argv[1].rsplit(":", 1)
    cases = json.load(open(sys.argv[2]))["cases"]
    h1probe.VARS.update(HOST="localhost", STATIC="/hello.txt", ALPHA="/hello.txt", BIG="/hello.txt", ECHO="/hello.txt?first", HDRS="/hello.txt?first")
    cases += made()
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        for fault in pool.map(lambda case: play((host, int(port)), *case), enumerate(cases)):
            if fault:
                print(fault)
    print("%d sent" % (2 * len(cases)))


if __name__ == "__main__":
    main()
