#!/usr/bin/env python3
"""h1probe: runs h1cases.json against an HTTP/1.1 server (Python 3.8+, stdlib only, one connection at a time).

  h1probe.py HOST:PORT [--cases h1cases.json] [--backend PORT] [--have etag,lm,limit1m,slow]
             [--strict] [--only REGEX] [--level MUST,SEC] [--host NAME] [--json OUT] [-v]
  h1probe.py --make-docroot DIR      writes DIR/www (serve this) and DIR/secret.txt (must stay unreachable)

The server under test must serve DIR/www at '/', and (for the echo/backend cases) proxy /echo, /headers and
/up/ to 127.0.0.1:PORT, which --backend makes this program serve. Body limit of 1 MiB for 'limit1m'.
Prints one line per failing case and, last, 'N passed, M failed, K skipped'. Exit 1 if any failed.
"""
import argparse, email.utils, gzip, json, os, re, select, socket, sys, threading, time

TCHAR = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
STATUS = re.compile(rb"HTTP/1\.[01] ([1-5]\d\d)(?: ([^\r\n]*))?\r\n")

# docroot
def make_docroot(d):
    w = os.path.join(d, "www"); os.makedirs(os.path.join(w, "sub"), exist_ok=True); os.makedirs(os.path.join(w, ".hid"), exist_ok=True)
    def put(p, s):
        with open(os.path.join(d, p), "w") as f: f.write(s)
    put("www/hello.txt", "Hello, world!\n"); put("www/alpha.txt", "abcdefghijklmnopqrstuvwxyz")
    put("www/big.txt", "0123456789abcdef\n" * 6000); put("www/index.html", "<!doctype html><title>i</title>index\n")
    put("www/sub/index.html", "sub\n"); put("www/sp ace.txt", "sp ace\n"); put("secret.txt", "TOPSECRET-outside-root\n")
    old = time.time() - 86400
    for r, _, fs in os.walk(d):
        for f in fs: os.utime(os.path.join(r, f), (old, old))

# backend (plays the upstream)
class Backend(threading.Thread):
    def __init__(self, port, cases):
        super().__init__(daemon=True); self.up = {c["id"]: c["upstream"] for c in cases if "upstream" in c}
        self.s = socket.socket(); self.s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1); self.s.bind(("127.0.0.1", port)); self.s.listen(64)
    def run(self):
        while True:
            k, _ = self.s.accept(); threading.Thread(target=self.conn, args=(k,), daemon=True).start()
    def conn(self, k):
        k.settimeout(20); f = k.makefile("rb")
        try:
            while True:
                head = b""
                while True:
                    ln = f.readline(1 << 20)
                    if not ln: return
                    head += ln
                    if ln in (b"\r\n", b"\n"): break
                method, path = (head.split(b" ") + [b"", b""])[:2]
                hs = [l.split(b":", 1) for l in re.split(rb"\r?\n", head)[1:] if b":" in l]
                hd = {a.strip().lower(): b.strip() for a, b in hs}; body = b""
                if hd.get(b"expect", b"").lower() == b"100-continue": k.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
                if b"chunked" in hd.get(b"transfer-encoding", b"").lower():
                    while True:
                        n = int(f.readline().split(b";")[0], 16)
                        if n == 0:
                            while f.readline() not in (b"\r\n", b""): pass
                            break
                        body += f.read(n); f.readline()
                elif b"content-length" in hd: body = f.read(int(hd[b"content-length"].split(b",")[0]))
                path = re.sub(rb"^http://[^/]*", b"", path)
                if path.startswith(b"/up/"):
                    raw = self.up.get(path[4:].split(b"?")[0].decode("latin-1"))
                    if raw is None: k.sendall(b"HTTP/1.1 404 Nope\r\nContent-Length: 0\r\n\r\n"); continue
                    b = expand(raw); hang = b.endswith(b"{{HANG}}"); k.sendall(b.replace(b"{{HANG}}", b""))
                    if hang: time.sleep(16)
                    time.sleep(0.05); return
                out = head if path.startswith(b"/headers") else body
                k.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nDate: " + email.utils.formatdate(usegmt=True).encode() + b"\r\nContent-Length: %d\r\n\r\n" % len(out) + (b"" if method == b"HEAD" else out))
        except (OSError, ValueError, IndexError): pass
        finally:
            try: k.shutdown(socket.SHUT_RDWR)
            except OSError: pass
            k.close()

# templates
VARS = {}
def expand(s):
    s = re.sub(r"\{\{REPEAT:(\d+):(.*?)\}\}", lambda m: m.group(2) * int(m.group(1)), s, flags=re.S)
    s = re.sub(r"\{\{SEQ:(\d+):(.*?)\}\}", lambda m: "".join(m.group(2).replace("%d", str(i)) for i in range(int(m.group(1)))), s, flags=re.S)
    s = s.replace("{{NOW}}", email.utils.formatdate(usegmt=True))
    s = re.sub(r"\{\{([A-Z0-9]+)\}\}", lambda m: VARS.get(m.group(1), m.group(0)), s)
    return s.encode("latin-1")

# response parsing (strict; collects syntax complaints)
class Resp:
    def __init__(self): self.status = 0; self.head = b""; self.h = []; self.body = b""; self.complete = False; self.bad = []; self.framing = ""
    def get(self, n): return [v for k, v in self.h if k == n]
def parse(buf, methods, closed, req10):
    """-> (list of Resp incl. 1xx, rest)"""
    out, mi = [], 0
    while buf:
        m = STATUS.match(buf)
        if not m:
            if len(buf) < 9 and not closed: break
            r = Resp(); r.bad.append("malformed status line %r" % buf[:40]); r.status = -1; r.body = buf; out.append(r); return out, b""
        e = buf.find(b"\r\n\r\n")
        if e < 0:
            r = Resp(); r.status = int(m.group(1)); r.head = buf; r.bad.append("header section not terminated"); out.append(r); return out, b""
        r = Resp(); r.status = int(m.group(1)); r.head = buf[:e + 4]; buf = buf[e + 4:]
        for ln in r.head[m.end():-2].split(b"\r\n")[:-1]:
            mm = re.match(rb"(" + TCHAR + rb"):[ \t]*(.*)$", ln, re.S)
            if not mm: r.bad.append("malformed field line %r" % ln[:60]); continue
            if re.search(rb"[\x00-\x08\x0a-\x1f\x7f]", mm.group(2)): r.bad.append("CTL in field value %r" % ln[:60])
            r.h.append((mm.group(1).lower().decode(), mm.group(2).strip().decode("latin-1")))
        if 100 <= r.status < 200:
            if r.get("content-length") or r.get("transfer-encoding"): r.bad.append("1xx with framing field")
            r.complete = True; out.append(r)
            if r.status == 101: r.body = buf; return out, b""
            continue
        meth = methods[min(mi, len(methods) - 1)] if methods else "GET"; mi += 1
        cl, te = r.get("content-length"), r.get("transfer-encoding")
        if cl and te: r.bad.append("both Content-Length and Transfer-Encoding")
        if len(cl) > 1 or (cl and not cl[0].isdigit()): r.bad.append("bad Content-Length %r" % cl)
        if te and req10: r.bad.append("Transfer-Encoding sent to an HTTP/1.0 client")
        if r.status in (204,) and (cl or te): r.bad.append("204 with framing field")
        if r.status < 500 and r.status not in (400, 408) and not r.get("date"): r.bad.append("no Date")
        if r.status == 401 and not r.get("www-authenticate"): r.bad.append("401 without WWW-Authenticate")
        if meth == "HEAD" or r.status in (204, 304): r.complete = True; out.append(r); continue
        if te and te[-1].lower().endswith("chunked"):
            r.framing = "chunked"
            while True:
                mm = re.match(rb"([0-9A-Fa-f]+)[^\r\n]*\r\n", buf)
                if not mm:
                    if buf and b"\r\n" in buf: r.bad.append("bad chunk line %r" % buf[:20])
                    break
                n = int(mm.group(1), 16)
                if n == 0:
                    t = re.match(rb"0+[^\r\n]*\r\n((?:[^\r\n]+\r\n)*)\r\n", buf)
                    if t: buf = buf[t.end():]; r.complete = True
                    break
                if len(buf) < mm.end() + n + 2: r.body += buf[mm.end():mm.end() + n]; buf = b""; break
                if buf[mm.end() + n:mm.end() + n + 2] != b"\r\n": r.bad.append("chunk data not followed by CRLF"); break
                r.body += buf[mm.end():mm.end() + n]; buf = buf[mm.end() + n + 2:]
            out.append(r)
            if not r.complete: return out, b""
        elif cl and cl[0].isdigit():
            n = int(cl[0]); r.framing = "cl"; r.body = buf[:n]; r.complete = len(r.body) == n; buf = buf[n:]; out.append(r)
            if not r.complete: return out, b""
        else:
            r.framing = "close"; r.body = buf; r.complete = closed; out.append(r); return out, b""
    return out, buf

# one exchange
class Conn:
    def __init__(self, addr):
        self.s = socket.create_connection(addr, timeout=5); self.s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buf = b""; self.closed = False; self.rst = False
    def pump(self, t):
        """read what comes within t seconds; True if something came"""
        r, _, _ = select.select([self.s], [], [], t)
        if not r: return False
        try: d = self.s.recv(262144)
        except ConnectionResetError: self.rst = self.closed = True; return False
        except OSError: self.closed = True; return False
        if not d: self.closed = True; return False
        self.buf += d; return True
    def send(self, data):
        """non-blocking send that keeps reading, so that neither side can block the other"""
        self.s.setblocking(False); mv = memoryview(data); end = time.time() + 10
        while mv and not self.closed and time.time() < end:
            r, w, _ = select.select([self.s], [self.s], [], 1.0)
            if r:
                try:
                    d = self.s.recv(262144)
                    if d: self.buf += d
                    else: self.closed = True
                except BlockingIOError: pass
                except OSError: self.closed = self.rst = True
            if w and not self.closed:
                try: mv = mv[self.s.send(mv[:65536]):]
                except BlockingIOError: pass
                except OSError: self.drain(); self.closed = True
        self.s.setblocking(True)
    def drain(self):
        try:
            while True:
                self.s.setblocking(True); self.s.settimeout(0.3); d = self.s.recv(262144)
                if not d: break
                self.buf += d
        except OSError: pass
    def close(self):
        try: self.s.close()
        except OSError: pass

def exchange(addr, case, a):
    parts = case["raw"] if isinstance(case["raw"], list) else [case["raw"]]
    data = [expand(p) for p in parts]
    if case["expect"].get("fixlen"):
        whole = b"".join(data); n = len(whole) - whole.index(b"\r\n\r\n") - 4
        data = [re.sub(rb"Content-Length: \d+", b"Content-Length: %d" % n, d) for d in data]
    bytewise = data[0].startswith(b"{{BYTES}}")
    if bytewise: data = [bytes([x]) for x in data[0][9:]]
    whole = b"".join(data)
    methods = case.get("methods") or [ (whole.lstrip().split(b" ")[0] or b"GET").decode("latin-1")[:20] ]
    if "methods" not in case and methods[0] == "HEAD": methods = ["HEAD"]
    elif "methods" not in case: methods = ["GET"]
    req10 = bool(re.match(rb"\s*\S+ \S+ HTTP/1\.0\r\n", whole))
    k = Conn(addr); t0 = time.time(); seen_before_last = b""
    for i, d in enumerate(data):
        if i:
            pause = 0 if bytewise else case.get("pause_ms", 100) / 1000; e = time.time() + pause
            while not k.closed and time.time() < e: k.pump(max(0.0, e - time.time()))
        if i == len(data) - 1: seen_before_last = k.buf
        if k.closed: break
        k.send(d)
        if bytewise: time.sleep(0.002)
    if case.get("shutdown_wr"):
        try: k.s.shutdown(socket.SHUT_WR)
        except OSError: pass
    e = case["expect"]; want = max(1, len(e.get("statuses", [1]))) if not e.get("max_responses") else 99
    slow = "slow" in case.get("needs", []); limit = time.time() + (case.get("wait_s", 10) if slow else a.timeout)
    quiet = 0.25 if e.get("max_responses") or e["close"] or "none" in e["status"] else 0.15
    while not k.closed and time.time() < limit:
        got = k.pump(quiet)
        rs, rest = parse(k.buf, methods, k.closed, req10)
        fin = [r for r in rs if not 100 <= r.status < 200 or r.status == 101]
        if got: continue
        if slow and e["close"]: continue
        if fin and fin[-1].complete and not (e["close"] and time.time() - t0 < a.close_wait): break
        if not fin and ("none" in e["status"]) and time.time() - t0 > 1.0: break
    follow = None
    rs, rest = parse(k.buf, methods, k.closed, req10)
    fin = [r for r in rs if not 100 <= r.status < 200 or r.status == 101]
    if e["close"] is False and not k.closed and fin:
        n = len(k.buf); k.send(expand("GET {{STATIC}}?follow HTTP/1.1\r\nHost: {{HOST}}\r\n\r\n")); end = time.time() + a.timeout
        while not k.closed and time.time() < end:
            k.pump(0.2)
            f, _ = parse(k.buf[n:], ["GET"], k.closed, False)
            if f and f[-1].complete: follow = f[-1].status; break
    k.close()
    return rs, fin, k, follow, seen_before_last, time.time() - t0

# verdict
def judge(case, e, rs, fin, k, follow, before, dur, a):
    errs = []
    st = fin[0].status if fin else ("closed" if k.closed else "none")
    if st not in e["status"]: errs.append("status %s, wanted %s" % (st, e["status"]))
    r = fin[0] if fin else None
    if e["close"] is True and not k.closed and st != "none": errs.append("connection left open")
    if e["close"] is True and st == "none" and "none" not in e["status"]: errs.append("no answer and no close in %.1fs" % dur)
    if e["close"] is False:
        if k.closed and follow is None and st in e["status"]: errs.append("connection closed")
        elif follow is not None and follow != 200: errs.append("follow-up request got %s" % follow)
        elif follow is None and not k.closed and fin: errs.append("follow-up request got no answer")
    if "max_responses" in e and len(fin) > e["max_responses"]: errs.append("%d responses (%s), at most %d wanted: DESYNC" % (len(fin), [x.status for x in fin], e["max_responses"]))
    if "statuses" in e:
        for i, ok in enumerate(e["statuses"]):
            s = fin[i].status if i < len(fin) else ("closed" if k.closed else "none")
            if s not in ok: errs.append("response %d is %s, wanted %s" % (i + 1, s, ok)); break
        if len(fin) > len(e["statuses"]): errs.append("%d responses, %d wanted: DESYNC" % (len(fin), len(e["statuses"])))
    allout = k.buf
    if e.get("not_in") and e["not_in"].encode("latin-1") in allout: errs.append("output holds %r" % e["not_in"])
    if "max_bytes" in e and len(allout) > e["max_bytes"]: errs.append("%d octets of output, limit %d" % (len(allout), e["max_bytes"]))
    if e.get("interim") and not before.startswith(b"HTTP/1.1 %d" % e["interim"]): errs.append("no %d before the body" % e["interim"])
    if e.get("no_interim") and any(x.status == 100 for x in rs): errs.append("100 sent")
    if r and st in e["status"] and r.status > 0:
        body = r.body.decode("latin-1")
        if "body" in e and 200 <= r.status < 400 and body != e["body"]: errs.append("body %r, wanted %r" % (body[:60], e["body"][:60]))
        if e.get("body") == "" and body: errs.append("content where none may be: %r" % body[:40])
        if "body_if_200" in e and r.status == 200 and body != e["body_if_200"]: errs.append("body %r, wanted %r" % (body[:60], e["body_if_200"]))
        if r.status == 200:
            for key in ("body_re", "body_re_if_200"):
                if key in e and not re.search(e[key], body): errs.append("body does not match %s" % e[key])
            if "body_not_re" in e:
                m = re.search(e["body_not_re"], body)
                if m: errs.append("upstream saw %r" % m.group(0)[:60])
        hd = r.head.decode("latin-1")
        if "head_re" in e and not re.search(e["head_re"], hd): errs.append("head does not match %s" % e["head_re"])
        if "head_not_re" in e and re.search(e["head_not_re"], hd): errs.append("head matches %s" % e["head_not_re"])
        for n, w in e.get("headers", {}).items():
            v = r.get(n)
            if w is None: ok = not v
            elif w == "*": ok = bool(v)
            elif w.startswith("/"): ok = any(re.search(w[1:-1], x, re.I) for x in v)
            else: ok = v == [w]
            if not ok and (r.status in (200, 206, 304, 400, 416, 302)): errs.append("header %s is %r, wanted %r" % (n, v, w))
        if e.get("allow_if_405") and r.status == 405 and not r.get("allow"): errs.append("405 without Allow")
        ck = e.get("check")
        if ck == "gzip" and r.get("content-encoding"):
            if not any("accept-encoding" in x.lower() for x in r.get("vary")): errs.append("encoded without Vary: Accept-Encoding")
            try:
                if gzip.decompress(r.body) != b"0123456789abcdef\n" * 6000: errs.append("gzip content differs")
            except Exception as ex: errs.append("gzip: %s" % ex)
        if ck == "no_set_cookie" and r.get("set-cookie"): errs.append("Set-Cookie injected")
        if ck == "no_open_redirect" and any(re.match(r"(https?:)?//(?!%s)" % re.escape(VARS["HOST"]), x) for x in r.get("location")): errs.append("open redirect to %r" % r.get("location"))
        if ck == "one_framing" and r.status == 200:
            n1 = len(re.findall(r"(?im)^content-length:", body)); n2 = len(re.findall(r"(?im)^transfer-encoding:", body))
            if n1 + n2 != 1: errs.append("upstream saw %d Content-Length and %d Transfer-Encoding" % (n1, n2))
        if ck == "incomplete" and r.status == 200 and r.complete and not (r.framing == "close" and k.rst): errs.append("cut upstream body looks complete (%s)" % r.framing)
    for x in rs:
        cut = e.get("check") == "incomplete"
        if not x.complete and x.status > 0 and not cut and not x.bad: x.bad.append("incomplete response")
        for b in x.bad:
            if not (cut and "chunk" in b): errs.append("MALFORMED: " + b)
    return errs

def simple_get(addr, path, a):
    rs, fin, k, *_ = exchange(addr, {"raw": "GET %s HTTP/1.1\r\nHost: {{HOST}}\r\n\r\n" % path, "expect": {"status": [200], "close": None}}, a)
    return fin[0] if fin else None

def main():
    ap = argparse.ArgumentParser(); ap.add_argument("target", nargs="?"); here = os.path.dirname(os.path.abspath(__file__))
    ap.add_argument("--cases", default=os.path.join(here, "h1cases.json")); ap.add_argument("--backend", type=int); ap.add_argument("--have", default="etag,lm,limit1m")
    ap.add_argument("--strict", action="store_true"); ap.add_argument("--only"); ap.add_argument("--level"); ap.add_argument("--host", default="localhost")
    ap.add_argument("--timeout", type=float, default=3.0); ap.add_argument("--close-wait", type=float, default=0.6); ap.add_argument("--json"); ap.add_argument("-v", action="store_true"); ap.add_argument("--make-docroot")
    a = ap.parse_args()
    if a.make_docroot: make_docroot(a.make_docroot); print("written under", a.make_docroot); return 0
    if not a.target: ap.error("HOST:PORT is needed")
    host, port = a.target.rsplit(":", 1); addr = (host.strip("[]"), int(port))
    cases = json.load(open(a.cases))["cases"]; have = set(a.have.split(",")) | {"static"}
    VARS.update(HOST=a.host, STATIC="/hello.txt", ALPHA="/alpha.txt", BIG="/big.txt", ECHO="/echo", HDRS="/headers")
    if a.backend: Backend(a.backend, cases).start(); have |= {"echo", "backend"}
    r = simple_get(addr, "/alpha.txt", a)
    if not r or r.status != 200: print("the server does not serve /alpha.txt (see --make-docroot)"); return 2
    if r.get("etag") and not r.get("etag")[0].startswith("W/"): VARS["ETAG"] = r.get("etag")[0]
    else: have.discard("etag")
    if r.get("last-modified"):
        t = email.utils.parsedate_to_datetime(r.get("last-modified")[0]); VARS["LM"] = r.get("last-modified")[0]
        VARS["LM850"] = t.strftime("%A, %d-%b-%y %H:%M:%S GMT"); VARS["LMASC"] = t.strftime("%a %b ") + "%2d" % t.day + t.strftime(" %H:%M:%S %Y")
        VARS["LMPLUS"] = email.utils.formatdate(t.timestamp() + 1800, usegmt=True)
    else: have.discard("lm")
    np = nf = ns = 0; log = []
    for c in cases:
        if a.only and not re.search(a.only, c["id"]): continue
        if a.level and c["level"] not in a.level.split(","): continue
        if set(c.get("needs", [])) - have: ns += 1; log.append({"id": c["id"], "verdict": "skip"}); continue
        e = dict(c["expect"])
        if a.strict: e.update(c.get("strict", {}))
        try:
            rs, fin, k, follow, before, dur = exchange(addr, c, a); errs = judge(c, e, rs, fin, k, follow, before, dur, a)
            got = [x.status for x in rs] or ("closed" if k.closed else "none")
        except OSError as ex: errs = ["socket error: %s" % ex]; got = None; k = None; dur = 0
        if errs or c["id"][:2] in ("LM", "RG"):
            z = None
            try: z = simple_get(addr, VARS["STATIC"], a)
            except OSError: pass
            if not z or z.status != 200: errs.append("SERVER NOT ALIVE after this case")
        log.append({"id": c["id"], "level": c["level"], "verdict": "fail" if errs else "pass", "got": got, "closed": bool(k and k.closed), "s": round(dur, 2), "errors": errs})
        if errs: nf += 1; print("FAIL %s [%s] %s: %s (%s)" % (c["id"], c["level"], c["name"], "; ".join(errs), c["rfc"]), flush=True)
        else:
            np += 1
            if a.v: print("ok   %s %s -> %s%s" % (c["id"], c["name"], got, " closed" if k.closed else ""), flush=True)
    if a.json: json.dump(log, open(a.json, "w"), indent=0)
    print("%d passed, %d failed, %d skipped" % (np, nf, ns)); return 1 if nf else 0

if __name__ == "__main__": sys.exit(main())
