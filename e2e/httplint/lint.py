#!/usr/bin/env python3
"""Lints HTTP exchanges with httplint: lint.py FOLDER

FOLDER holds NAME.request and NAME.response, each one whole message as it was on the wire. Prints each note of
level "bad" or "warning" as `LEVEL<TAB>NAME<TAB>summary`, and, last, `N responses`. Unlike the program `httplint`
it tells the linter what was asked, which decides whether a response may have content or be partial.
"""
import pathlib
import sys
import time

from httplint.message import HttpRequestLinter, HttpResponseLinter
from httplint.note import levels


def split(message):
    head, _, content = message.partition(b"\r\n\r\n")
    first, *lines = head.split(b"\r\n")
    fields = [tuple(part.strip() for part in line.split(b":", 1)) for line in lines]
    return (first.split(b" ", 2) + [b"", b""])[:3], fields, content


def lint_request(message):
    (method, target, version), fields, content = split(message)
    linter = HttpRequestLinter()
    linter.process_request_topline(method, target, version.removeprefix(b"HTTP/"))
    linter.process_headers(fields)
    linter.feed_content(content)
    linter.finish_content(True)
    return linter


def lint_response(message, request):
    (version, status, reason), fields, content = split(message)
    linter = HttpResponseLinter(start_time=time.time())
    linter.request = request
    linter.is_head_response = request.method == "HEAD"
    linter.process_response_topline(version.removeprefix(b"HTTP/"), status, reason)
    linter.process_headers(fields)
    if content:
        linter.feed_content(content)
    linter.finish_content(True)
    return linter.notes


def main():
    requests = sorted(pathlib.Path(sys.argv[1]).glob("*.request"))
    for path in requests:
        request = lint_request(path.read_bytes())
        for note in lint_response(path.with_suffix(".response").read_bytes(), request):
            if note.level in (levels.BAD, levels.WARN):
                print(f"{note.level.value}\t{path.stem}\t{note.summary}")
    print(f"{len(requests)} responses")


if __name__ == "__main__":
    main()
