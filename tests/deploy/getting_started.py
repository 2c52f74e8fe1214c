"""The commands of docs/GETTING_STARTED.md, as a newcomer pastes them, with the sandbox in Telegram's place.

usage: getting_started.py WORKER CONTROL_URL BACKEND_URL EMPTY_DIRECTORY
"""

import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import textwrap
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
WORKER, CONTROL, BACKEND, WORK = sys.argv[1:5]
PAGE = (ROOT / "docs/GETTING_STARTED.md").read_text()
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))

with OPENER.open(CONTROL, timeout=30) as answer:
    SANDBOX = json.load(answer)
USER = SANDBOX["users"][0]

# Where the page has the reader be: the repository, with the program built.
work = pathlib.Path(WORK)
(work / "target/release").mkdir(parents=True)
(work / "target/release/telestore-worker").symlink_to(WORKER)

# What the reader has from steps 2 and 4, and what makes the sandbox Telegram.
environment = {name: value for name, value in os.environ.items() if not name.startswith(("TELESTORE_", "TELEGRAM_"))}
environment.update(
    TELESTORE_BOT_TOKEN=USER["bot_token"],
    TELESTORE_CHANNEL_ID=USER["channel_id"],
    TELEGRAM_BOT_API_URL=SANDBOX["bot_api_url"],
    TELESTORE_MTPROTO_SERVER_KEY=SANDBOX["server_key"],
    TELESTORE_MIN_FREE_BYTES="0",
    PORT="0",
)
address = None


def blocks():
    """Each tried block: what stands behind `tried`, and its lines."""
    found = re.findall(r"<!-- tried(?:: ([^>]*))? -->\n *```sh\n(.*?)\n *```", PAGE, re.S)
    assert len(found) >= 8, found
    return [(kind, textwrap.dedent(lines)) for kind, lines in found]


def here(lines):
    """The same lines, on this machine only."""
    lines = lines.replace("https://api.telegram.org", SANDBOX["bot_api_url"])
    lines = lines.replace("https://your-telestore-backend.example", BACKEND)
    if address:
        lines = lines.replace("http://127.0.0.1:10000", address)
        lines = lines.replace("telestore-worker send", f"telestore-worker send --to {address}")
    return lines


def run(lines):
    """Runs them in one shell, as a terminal would; what they export stays."""
    print(textwrap.indent(lines, "$ "))
    done = subprocess.run(
        ["sh", "-euc", f"{here(lines)}\nenv -0 >'{WORK}/exported'"],
        cwd=work, env=environment, stdout=subprocess.PIPE, text=True, timeout=300,
    )
    print(done.stdout)
    assert done.returncode == 0, done
    for pair in (work / "exported").read_text().split("\0"):
        name, _, value = pair.partition("=")
        if name.startswith("TELESTORE_") or name == "BACKEND_URL":
            environment[name] = value
    return done.stdout


def sign_in(lines):
    """A person at the terminal, who looks at the phone for the code."""
    print(textwrap.indent(lines, "$ "))
    environment.update(
        TELESTORE_API_ID=str(USER["api_id"]), TELESTORE_API_HASH=USER["api_hash"], TELESTORE_MTPROTO_DC=SANDBOX["mtproto_addr"]
    )
    login = subprocess.Popen(
        ["sh", "-euc", lines], cwd=work, env=environment, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    for line in login.stderr:
        print(line, end="")
        if line.startswith("Phone number"):
            answer = USER["phone"]
        elif line.startswith("Code"):
            with OPENER.open(f"{CONTROL}/codes", timeout=30) as codes:
                answer = json.load(codes)[0]["code"]
        else:
            continue
        print(answer, file=login.stdin, flush=True)
    assert login.wait(60) == 0
    assert (work / "session.txt").stat().st_mode & 0o777 == 0o600


def serve(lines):
    global address
    print(textwrap.indent(lines, "$ "))
    with open(work / "log", "w") as log:
        server = subprocess.Popen(
            ["sh", "-euc", "exec env " + here(lines)], cwd=work, env=environment, stdout=subprocess.PIPE, stderr=log, text=True
        )
    line = server.stdout.readline()
    assert line.startswith("listening on "), (line, (work / "log").read_text())
    address = line.removeprefix("listening on ").strip()
    # What the page has the reader copy.
    environment["TELESTORE_TOKEN"] = environment["TELESTORE_AUTH_TOKENS"]
    return server


def stop(server):
    server.send_signal(signal.SIGINT)
    assert server.wait(60) == 0


def main():
    server = None
    try:
        for kind, lines in blocks():
            if kind == "serves":
                server = serve(lines)
                continue
            if kind == "signs in":
                sign_in(lines)
                continue
            if kind.startswith("with"):
                if server:
                    stop(server)
                    server = None
                if "session" not in kind:
                    # Another reader, who has a backend and nothing of the above.
                    for name in [name for name in environment if name.startswith("TELESTORE_")]:
                        del environment[name]
            said = run(lines)
            if "getMe" in lines or "getChat" in lines:
                assert json.loads(said)["ok"], said
            if "send hello.txt" in lines:
                assert "completed: messageId" in said, said
            if "/upload" in lines:
                assert json.loads(said)["success"], said
            if "session" in kind:
                assert re.search(r"^ok +MTProto", said, re.M), said
                assert re.search(rf"^ok +session +belongs to {USER['name']}", said, re.M), said
            if "backend" in kind:
                assert "serves the users of the TeleStore backend" in said, said
    finally:
        if server:
            server.kill()
    print("ok getting started")


main()
