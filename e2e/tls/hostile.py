#!/usr/bin/env python3
"""Speaks broken TLS to a server: hostile.py HOST:PORT

The server has two hosts: localhost, and required.example, which wants a certificate of the client. Prints
`NAME<TAB>VERDICT` for each trick: `alert N` with its number, `close`, `answer` (bytes that no trick may get), `goes on`
(a handshake that the server takes up) or `hang`; last, `N tricks`.
"""
import os
import socket
import struct
import sys

from tlslite.api import HandshakeSettings, TLSConnection
from tlslite.constants import ContentType
from tlslite.errors import TLSAbruptCloseError, TLSRemoteAlert
from tlslite.messages import Certificate, CertificateVerify, Finished, Message

PATIENCE_SECONDS = 15
TLS12, TLS13 = (3, 3), (3, 4)
GET = b"GET /hello.txt HTTP/1.1\r\nHost: localhost\r\n\r\n"
HANDSHAKE, ALERT, DATA, CHANGE = 22, 21, 23, 20


def connect():
    host, port = sys.argv[1].rsplit(":", 1)
    return socket.create_connection((host, int(port)), PATIENCE_SECONDS)


# Bytes by hand.

def record(kind, content, version=b"\3\1"):
    return bytes([kind]) + version + struct.pack(">H", len(content)) + content


def message(kind, content):
    return bytes([kind]) + struct.pack(">I", len(content))[1:] + content


def extension(kind, content):
    return struct.pack(">HH", kind, len(content)) + content


NAME = extension(0, b"\0\x0c\0\0\x09localhost")
GROUPS = extension(10, b"\0\2\0\x17")
SIGNATURES = extension(13, b"\0\4\4\3\x08\4")
ORDINARY = NAME + GROUPS + SIGNATURES + extension(11, b"\1\0") + extension(23, b"")


def hello(extensions=ORDINARY, suites=b"\xc0\x2b\xc0\x2f", session=b"", compressions=b"\0", more=b""):
    content = b"\3\3" + os.urandom(32)
    content += bytes([len(session)]) + session
    content += struct.pack(">H", len(suites)) + suites
    content += bytes([len(compressions)]) + compressions
    return message(1, content + struct.pack(">H", len(extensions)) + extensions + more)


def judge(connection):
    """What comes back in plain text."""
    received = b""
    try:
        while len(received) < 7:
            more = connection.recv(4096)
            if not more:
                return "close"
            received += more
    except ConnectionError:
        return "close"
    except socket.timeout:
        return "hang"
    if received[0] == ALERT:
        return f"alert {received[6]}"
    return "goes on" if received[0] == HANDSHAKE and received[5] == 2 else "answer"


def raw(*pieces):
    def trick():
        with connect() as connection:
            try:
                for piece in pieces:
                    connection.sendall(piece)
            except ConnectionError:
                pass
            return judge(connection)
    return trick


def by_records(text, size):
    return b"".join(record(HANDSHAKE, text[at:at + size]) for at in range(0, len(text), size))


def cut(text):
    def trick():
        with connect() as connection:
            connection.sendall(text)
            connection.shutdown(socket.SHUT_WR)
            return judge(connection)
    return trick


RAW = {
    "a hello in records of one byte": raw(by_records(hello(), 1)),
    "a hello in one record, byte by byte": raw(*[bytes([byte]) for byte in record(HANDSHAKE, hello())]),
    "half a hello and the end": cut(record(HANDSHAKE, hello())[:60]),
    "half a hello and nothing more": raw(record(HANDSHAKE, hello())[:60]),
    "a record that is too long": raw(record(HANDSHAKE, b"\1" * 0x4801)),
    "records without content": raw(record(HANDSHAKE, b"") * 1000),
    "a hello behind empty records": raw(record(HANDSHAKE, b"") * 2 + record(HANDSHAKE, hello())),
    "a hello without end": raw(*[record(HANDSHAKE, b"\1\xff\xff\xff" + bytes(16000))] * 20),
    "an alert first": raw(record(ALERT, b"\2\x28")),
    "data first": raw(record(DATA, GET)),
    "a change of ciphers first": raw(record(CHANGE, b"\1"), record(HANDSHAKE, hello())),
    "a heartbeat first": raw(record(24, b"\1\x40\0")),
    "an unknown kind of record": raw(record(99, b"abc")),
    "an old version of the record": raw(record(HANDSHAKE, hello(), b"\2\0")),
    "a hello of SSL 2": raw(b"\x80\x2e\1\3\1\0\x15\0\0\0\x10" + bytes(40)),
    "another message than a hello": raw(record(HANDSHAKE, message(11, b"\0\0\0"))),
    "no suites": raw(record(HANDSHAKE, hello(suites=b""))),
    "half a suite": raw(record(HANDSHAKE, hello(suites=b"\xc0\x2b\xc0"))),
    "suites of old only": raw(record(HANDSHAKE, hello(suites=b"\0\5\0\x0a\0\x2f"))),
    "a session that is too long": raw(record(HANDSHAKE, hello(session=bytes(33)))),
    "no compression that is none": raw(record(HANDSHAKE, hello(compressions=b"\1"))),
    "no way to write no compression": raw(record(HANDSHAKE, hello(compressions=b""))),
    "an extension twice": raw(record(HANDSHAKE, hello(ORDINARY + GROUPS))),
    "an extension beyond the end": raw(record(HANDSHAKE, hello(ORDINARY + b"\0\x15\xff\xff"))),
    "bytes behind the extensions": raw(record(HANDSHAKE, hello(more=b"abc"))),
    "an empty list of names": raw(record(HANDSHAKE, hello(GROUPS + SIGNATURES + extension(0, b"\0\0")))),
    "a name that is none": raw(record(HANDSHAKE, hello(GROUPS + SIGNATURES + extension(0, b"\0\4\0\0\1\xff")))),
    "no groups": raw(record(HANDSHAKE, hello(NAME + SIGNATURES + extension(10, b"\0\0")))),
    "no signatures": raw(record(HANDSHAKE, hello(NAME + GROUPS + extension(13, b"\0\0")))),
    "a change of ciphers too early": raw(record(HANDSHAKE, hello()) + record(CHANGE, b"\1") * 3),
}


# With a real client that does one thing wrong.

class Wire:
    """A socket that spoils what leaves once it is told to."""

    def __init__(self):
        self.socket = connect()
        self.spoil = False

    def send(self, data):
        data = bytearray(data)
        if self.spoil:
            data[-1] ^= 1
        self.socket.sendall(data)
        return len(data)

    def sendall(self, data):
        self.send(data)

    def __getattr__(self, name):
        return getattr(self.socket, name)


def client(version, name="localhost"):
    wire = Wire()
    connection = TLSConnection(wire)
    connection.ignoreAbruptClose = False
    settings = HandshakeSettings()
    settings.minVersion = settings.maxVersion = version
    # Or it would compress its certificates whether the server can read that or not.
    settings.certificate_compression_send = []
    return wire, connection, lambda: connection.handshakeClientCert(settings=settings, serverName=name)


def put(connection, kind, content):
    for _ in connection._recordLayer.sendRecord(Message(kind, bytearray(content))):
        pass


def verdict(act):
    """What comes of something that may not come to anything."""
    try:
        return "answer" if act() else "close"
    except TLSRemoteAlert as alert:
        return f"alert {alert.description}"
    except (TLSAbruptCloseError, ConnectionError):
        return "close"
    except socket.timeout:
        return "hang"


def afterwards(version, *acts):
    """Does something in a connection that is right so far, and asks for a file."""
    def trick():
        wire, connection, handshake = client(version)
        handshake()

        def act():
            for step in acts:
                step(wire, connection)
            put(connection, ContentType.application_data, GET)
            return connection.read(1, 1)
        return verdict(act)
    return trick


def instead(version, replaced, write, name="localhost"):
    """A handshake with one message written otherwise."""
    def trick():
        original = replaced.write
        replaced.write = lambda self: write(original(self))
        try:
            wire, connection, handshake = client(version, name)

            def act():
                handshake()
                put(connection, ContentType.application_data, GET)
                return connection.read(1, 1)
            return verdict(act)
        finally:
            replaced.write = original
    return trick


def flip_last(text):
    text = bytearray(text)
    text[-1] ^= 1
    return text


def spoil(wire, _):
    wire.spoil = True


def send(kind, content, times=1):
    def step(_, connection):
        for _ in range(times):
            put(connection, kind, content)
    return step


def unencrypted(wire, _):
    wire.socket.sendall(record(DATA, GET, b"\3\3"))


def endless(version):
    """A list of certificates that never comes to its end."""
    one = b"\0\x40\0" + bytes(0x4000) + (b"\0\0" if version == TLS13 else b"")
    context = b"\0" if version == TLS13 else b""
    return lambda _: bytearray(message(11, context + b"\xff\xff\0" + one * 900))


def tricks_of(version):
    label = {TLS12: "1.2", TLS13: "1.3"}[version]
    nothing = b"\0\0\0\0" if version == TLS13 else b"\0\0\0"
    name = "required.example"
    return {
        f"{label}: a wrong tag": afterwards(version, spoil),
        f"{label}: a record that is too long": afterwards(version, send(DATA, bytes(0x4001))),
        f"{label}: data without a key": afterwards(version, unencrypted),
        f"{label}: another hello": afterwards(version, send(HANDSHAKE, hello())),
        f"{label}: a message that never ends": afterwards(
            version, send(HANDSHAKE, b"\x18\xff\xff\xff"), send(HANDSHAKE, bytes(0x4000), 60)),
        f"{label}: an unknown kind of record": afterwards(version, send(99, b"abc")),
        f"{label}: a thousand empty records": afterwards(version, send(DATA, b"", 1000)),
        f"{label}: half an alert": afterwards(version, send(ALERT, b"\2")),
        f"{label}: a wrong end of the handshake": instead(version, Finished, flip_last),
        f"{label}: no certificates": instead(
            version, Certificate, lambda _: bytearray(message(11, nothing)), name),
        f"{label}: a certificate that is none": instead(
            version, Certificate, lambda _: bytearray(message(
                11, nothing[3:] + (b"\0\0\x0b\0\0\6broken\0\0" if version == TLS13 else b"\0\0\x09\0\0\6broken"))), name),
        f"{label}: certificates without end": instead(version, Certificate, endless(version), name),
    }


def main():
    tricks = {**RAW, **tricks_of(TLS12), **tricks_of(TLS13)}
    for name, trick in tricks.items():
        print(f"{name}\t{trick()}", flush=True)
    print(f"{len(tricks)} tricks")


main()
