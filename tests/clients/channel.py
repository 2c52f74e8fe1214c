"""What a client sent, and what the channel holds of it.

    python channel.py make FILE BYTES          writes random bytes
    python channel.py holds CONTROL FILE NAME  one message has this name, and it holds these bytes
"""

import hashlib
import json
import os
import pathlib
import sys
import urllib.request

# Straight to loopback, whatever proxy the environment names.
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def make(path, length):
    pathlib.Path(path).write_bytes(os.urandom(int(length)))


def holds(control, path, name):
    with OPENER.open(f"{control}/messages", timeout=30) as answer:
        # What the worker sent: what Telegram and the Bot API server make of a name is theirs.
        messages = [message for message in json.load(answer) if message["sent_name"] == name]
    assert len(messages) == 1, f"{name} is there {len(messages)} times"
    expected = hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()
    stored = hashlib.sha256(pathlib.Path(messages[0]["path"]).read_bytes()).hexdigest()
    assert expected == stored == messages[0]["sha256"], f"{name}: other bytes arrived"
    assert messages[0]["caption"] == f"Uploaded: {name}", messages[0]["caption"]
    print(f"ok   {name}")


if __name__ == "__main__":
    {"make": make, "holds": holds}[sys.argv[1]](*sys.argv[2:])
