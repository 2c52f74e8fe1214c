"""What clients write into headers, before a worker that believes its proxy, and tokens in the query.

usage: spoofed.py nginx|caddy|down HTTPS_URL TOKEN
"""

import http.client
import ssl
import sys
import time
import urllib.parse

KIND, BASE, TOKEN = sys.argv[1:4]
HOST = urllib.parse.urlsplit(BASE).netloc
# The proxy's certificate was made for this run.
TRUSTING = ssl._create_unverified_context()
SPOOFED = ['"', '"\\', "127.0.0.1", "203.0.113.77", "unknown", ""]


def status(path, **headers):
    connection = http.client.HTTPSConnection(HOST, timeout=60, context=TRUSTING)
    connection.request("GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()})
    return connection.getresponse().status


def wait_for_the_proxy():
    for _ in range(600):
        try:
            return status("/")
        except OSError:
            time.sleep(0.05)
    raise SystemExit("waited too long for the proxy")


def metrics_are_not_for(address):
    for written in SPOOFED:
        found = status("/metrics", X_Forwarded_For=written, X_Test_Address=address)
        assert found == 403, (written, found)


def nothing_counts():
    """Caddy hands on nothing of it: who is on this machine stays there."""
    for written in SPOOFED:
        found = status("/metrics", X_Forwarded_For=written)
        assert found == 200, (written, found)


wait_for_the_proxy()
expected = 404
if KIND == "nginx":
    # It does believe its proxy.
    assert status("/metrics") == 200
    metrics_are_not_for("203.0.113.9")
elif KIND == "caddy":
    nothing_counts()
else:
    expected = 502
found = status(f"/upload-events/nothing?token={TOKEN}")
assert found == expected, found
print(f"ok {KIND}", flush=True)
