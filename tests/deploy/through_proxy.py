"""A client behind a reverse proxy: everything arrives, nothing is held back, and refusals can be read.

usage: through_proxy.py HTTPS_URL TOKEN CONTROL_URL [DATA_DIR], without which chunks are not on a disk
"""

import base64
import hashlib
import http.client
import json
import os
import pathlib
import ssl
import sys
import threading
import time
import urllib.parse
import urllib.request

BASE, TOKEN, CONTROL = sys.argv[1:4]
DATA = sys.argv[4] if len(sys.argv) > 4 else None
HOST = urllib.parse.urlsplit(BASE).netloc
CHUNK = 5 * 1024 * 1024
# The proxy's certificate was made for this run.
TRUSTING = ssl._create_unverified_context()


def connect():
    return http.client.HTTPSConnection(HOST, timeout=120, context=TRUSTING)


def answer(connection):
    response = connection.getresponse()
    return response.status, json.loads(response.read())


def call(method, path, body=None, headers=()):
    connection = connect()
    connection.request(method, path, body, dict(headers))
    return answer(connection)


def form(fields, name, data):
    boundary = "boundary" + os.urandom(8).hex()
    parts = [f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"; filename="blob"\r\n\r\n'.encode(), data]
    for field, value in fields.items():
        parts.append(f'\r\n--{boundary}\r\nContent-Disposition: form-data; name="{field}"\r\n\r\n{value}'.encode())
    parts.append(f"\r\n--{boundary}--\r\n".encode())
    return b"".join(parts), {"Content-Type": f"multipart/form-data; boundary={boundary}"}


def fields(upload, data, index, size=CHUNK):
    return {
        "uploadId": upload, "chunkIndex": index, "totalChunks": -(-len(data) // size), "fileName": "big.bin",
        "fileSize": len(data), "authToken": TOKEN,
    }


def wait_for(what, found):
    for _ in range(600):
        try:
            if result := found():
                return result
        except OSError:
            pass
        time.sleep(0.05)
    raise SystemExit(f"waited too long for {what}")


def spooled():
    # Each worker has a directory of its own there.
    return sum(path.stat().st_size for path in pathlib.Path(DATA, "spool").rglob("*") if path.is_file())


def arrived(data):
    with urllib.request.urlopen(f"{CONTROL}/messages?channel={CHANNEL}") as messages:
        digests = [message["sha256"] for message in json.load(messages)]
    assert digests.count(hashlib.sha256(data).hexdigest()) == 1, "the same bytes, once"


def listen(upload, heard):
    """Server-Sent Events, as they come."""
    connection = connect()
    connection.request("GET", f"/upload-events/{upload}")
    response = connection.getresponse()
    assert response.status == 200, response.read()
    for line in response:
        if line.startswith(b"data:"):
            heard.append(json.loads(line[5:]))


def socket_frames(upload, heard):
    """A WebSocket by hand: the proxy must let the upgrade through."""
    connection = connect()
    key = base64.b64encode(os.urandom(16)).decode()
    connection.request("GET", f"/ws/upload-progress/{upload}", headers={
        "Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": key})
    raw = connection.sock.makefile("rb")
    status = raw.readline()
    assert b" 101 " in status, status
    while raw.readline().strip():
        pass
    while True:
        head = raw.read(2)
        if len(head) < 2:
            return
        length = head[1] & 0x7F
        if length == 126:
            length = int.from_bytes(raw.read(2), "big")
        body = raw.read(length)
        if head[0] & 0x0F == 1:
            heard.append(json.loads(body))
        elif head[0] & 0x0F == 8:
            return


def by_chunks():
    data, upload = os.urandom(60_000_000), f"proxy-{os.urandom(6).hex()}"
    for index in range(-(-len(data) // CHUNK)):
        body, headers = form(fields(upload, data, index), "chunk", data[index * CHUNK:(index + 1) * CHUNK])
        status, said = call("POST", "/upload-chunk", body, headers.items())
        assert (status, said.get("success")) == (200, True), (status, said)
    events, frames = [], []
    listeners = [threading.Thread(target=listen, args=(upload, events)),
                 threading.Thread(target=socket_frames, args=(upload, frames))]
    for listener in listeners:
        listener.start()
    body = json.dumps({"uploadId": upload})
    status, said = call("POST", "/complete-upload", body, [("Content-Type", "application/json")])
    assert status == 200, said
    for listener in listeners:
        listener.join(120)
    for heard in (events, frames):
        assert heard and heard[-1]["status"] == "completed", heard
    arrived(data)


def directly():
    data = os.urandom(9_000_000)
    body, headers = form({"authToken": TOKEN, "fileName": "direct.bin"}, "file", data)
    status, said = call("POST", "/upload", body, headers.items())
    assert status == 200 and said["success"], said
    arrived(data)


def unbuffered():
    """Half a chunk is in the worker's spool before the other half is sent."""
    data, upload = os.urandom(4_000_000), f"proxy-{os.urandom(6).hex()}"
    body, headers = form(fields(upload, data, 0), "chunk", data)
    connection = connect()
    connection.putrequest("POST", "/upload-chunk")
    for name, value in {**headers, "Content-Length": str(len(body))}.items():
        connection.putheader(name, value)
    connection.endheaders(body[:3_000_000])
    wait_for("half a chunk in the worker", lambda: spooled() > 1_000_000)
    connection.send(body[3_000_000:])
    status, said = answer(connection)
    assert status == 200, said


def refused():
    """A body that nobody wants is refused in words that get through."""
    body, headers = form({"fileName": "x"}, "file", bytes(20_000_000))
    connection = connect()
    connection.putrequest("POST", "/upload")
    for name, value in {**headers, "Content-Length": str(len(body)), "Authorization": "Bearer nobody"}.items():
        connection.putheader(name, value)
    connection.endheaders()
    try:
        for start in range(0, len(body), 65536):
            connection.send(body[start:start + 65536])
    except (BrokenPipeError, ConnectionResetError, ssl.SSLError):
        pass
    status, said = answer(connection)
    assert status == 401 and "token" in said["error"].lower(), (status, said)


with urllib.request.urlopen(CONTROL) as overview:
    CHANNEL = next(user["channel_id"] for user in json.load(overview)["users"] if user["auth_token"] == TOKEN)
wait_for("the proxy", lambda: call("GET", "/")[0] == 200)
for check in (by_chunks, directly, unbuffered, refused):
    if check is unbuffered and DATA is None:
        continue
    begun = time.monotonic()
    check()
    print(f"ok {check.__name__} ({time.monotonic() - begun:.1f} s)", flush=True)
