"""Starts a program as a service manager would: with sockets as descriptors 3 and up, and in the environment what tells
of them. The process stays the same, so that its id is known to whoever has started this script.

    start.py [--user UID] [SOCKET...] -- PROGRAM [ARGUMENT...]

SOCKET is KIND=ADDRESS; the kinds are those of `opened` below.
"""

import fcntl
import os
import socket
import sys

FIRST = 3
# Above all numbers that are given away.
ABOVE = 200


def inet(address):
    host, port = address.rsplit(":", 1)
    return host.strip("[]"), int(port)


def tcp(address, options=()):
    family = socket.AF_INET6 if address.startswith("[") else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    for level, name, value in options:
        listener.setsockopt(level, name, value)
    listener.bind(inet(address))
    listener.listen(64)
    # What accepts in a loop of its own leaves it so.
    listener.setblocking(False)
    return listener


def unix(path):
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(path)
    listener.listen(64)
    return listener


def udp(address):
    datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    datagrams.bind(inet(address))
    return datagrams


def opened(word):
    kind, _, address = word.partition("=")
    if kind == "tcp":
        only = [(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)] if address.startswith("[") else []
        return tcp(address, only)
    if kind == "shared":
        return tcp(address, [(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)])
    if kind == "both-families":
        return tcp(address, [(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)])
    if kind == "connection":
        return socket.create_connection(inet(address))
    if kind == "unix":
        return unix(address)
    if kind == "abstract":
        return unix("\0" + address)
    if kind == "udp":
        return udp(address)
    if kind == "file":
        return open(address, "rb")
    raise ValueError(word)


def main(words):
    user = None
    if words[0] == "--user":
        user, words = int(words[1]), words[2:]
    end = words.index("--")
    sockets, command = words[:end], words[end + 1:]
    files = [opened(word) for word in sockets if word != "closed"]
    above = [fcntl.fcntl(file.fileno(), fcntl.F_DUPFD_CLOEXEC, ABOVE) for file in files]
    for number, fd in enumerate(above, FIRST):
        os.dup2(fd, number, inheritable=True)
    for number in range(FIRST + len(above), ABOVE):
        try:
            os.set_inheritable(number, False)
        except OSError:
            pass
    if sockets:
        os.environ["LISTEN_PID"] = str(os.getpid())
        os.environ["LISTEN_FDS"] = str(len(sockets))
        os.environ["LISTEN_FDNAMES"] = ":".join(word.partition("=")[0] for word in sockets)
    if "WATCHDOG_USEC" in os.environ:
        os.environ["WATCHDOG_PID"] = str(os.getpid())
    if user is not None:
        os.setgroups([])
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)
    os.execv(command[0], command)


main(sys.argv[1:])
