"""What compose.cluster.yaml starts, without images: the processes and their environment are read from the file.

usage: cluster.py WORKER CONTROL_URL BACKEND_URL POSTGRES_URL S3_URL DIRECTORY
"""

import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.parse
import urllib.request

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
WORKER, CONTROL, BACKEND, POSTGRES, S3, WORK = sys.argv[1:7]
WORK = pathlib.Path(WORK)
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))
SERVICES = yaml.safe_load((ROOT / "compose.cluster.yaml").read_text())["services"]
WORKERS = [name for name in SERVICES if name.startswith("worker-")]


def read(url):
    with OPENER.open(url, timeout=60) as answer:
        return answer.read().decode()


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def wait_for(what, found):
    for _ in range(600):
        try:
            if result := found():
                return result
        except OSError:
            pass
        time.sleep(0.1)
    raise SystemExit(f"waited too long for {what}")


SANDBOX = json.loads(read(CONTROL))
USER = SANDBOX["users"][0]


def dot_env():
    """What the operator writes: the backend, and the secrets as the file's head says."""
    secrets = subprocess.check_output([ROOT / "deploy/cluster-secrets"], text=True).splitlines()
    lines = dict(line.split("=", 1) for line in secrets if not line.startswith("#"))
    return lines | {
        "BACKEND_URL": BACKEND,
        "TELEGRAM_BOT_API_URL": SANDBOX["bot_api_url"],
        "TELESTORE_MTPROTO_SERVER_KEY": SANDBOX["server_key"],
        "TELESTORE_MIN_FREE_BYTES": "0",
        # Here the proxy is on this machine itself.
        "TELESTORE_TRUSTED_PROXIES": "loopback",
    }


DOT_ENV = dot_env()
PORTS = {name: free_port() for name in [*WORKERS, "proxy"]}
# Where each service's own address leads here.
ADDRESSES = {
    "postgres:5432": urllib.parse.urlsplit(POSTGRES).netloc.rsplit("@")[-1],
    "s3:3900": urllib.parse.urlsplit(S3).netloc,
    **{f"{name}:10000": f"127.0.0.1:{PORTS[name]}" for name in WORKERS},
}


def interpolated(text):
    """`${NAME:-default}` and `${NAME:?what is missing}`, as Compose reads them."""

    def value(found):
        name, kind, rest = found.groups()
        if given := DOT_ENV.get(name, ""):
            return given
        assert kind != ":?", f"{name} is not set: {rest}"
        return rest or ""

    return re.sub(r"\$\{(\w+)(?:(:[-?])([^}]*))?\}", value, text)


def environment(name):
    """The environment of a service, with addresses of this machine."""
    service = SERVICES[name]
    own = {key: interpolated(value) for key, value in service["environment"].items()}
    for address, here in ADDRESSES.items():
        own = {key: value.replace(address, here) for key, value in own.items()}
    return (DOT_ENV if "env_file" in service else {}) | own


def start(name, command, own):
    log = open(WORK / f"{name}.log", "a")
    return subprocess.Popen(command, env=own, stdout=log, stderr=log)


def start_worker(name):
    own = environment(name)
    assert (own["TELESTORE_DATA_DIR"], own["PORT"]) == ("/data", "10000") and own["TELESTORE_HOST"] == "0.0.0.0"
    own |= {"TELESTORE_DATA_DIR": str(WORK / name), "PORT": str(PORTS[name]), "TELESTORE_HOST": "127.0.0.1"}
    return start(name, [WORKER], own)


def database():
    """The role and the database that the image makes."""
    own = environment("postgres")
    role, password, name = (own[f"POSTGRES_{what}"] for what in ("USER", "PASSWORD", "DB"))
    make = f"CREATE ROLE {role} LOGIN PASSWORD '{password}'; \n"
    for statement in (make, f"CREATE DATABASE {name} OWNER {role}"):
        subprocess.run(["psql", "-q", "-d", f"{POSTGRES}/postgres", "-c", statement], check=True)
    check = SERVICES["postgres"]["healthcheck"]["test"]
    assert check[0] == "CMD"
    port = ADDRESSES["postgres:5432"].rsplit(":")[-1]
    subprocess.run([*check[1:], "-p", port], check=True)


def bucket():
    request = urllib.request.Request(f"{S3}/{environment('s3')['GARAGE_DEFAULT_BUCKET']}", method="PUT")
    OPENER.open(request, timeout=60).close()


def proxy():
    """Caddy with the file as it is, but for what would reach out of this directory."""
    text = (ROOT / "deploy/Caddyfile.cluster").read_text()
    local = f"{{\n\tadmin off\n\tskip_install_trust\n\tauto_https disable_redirects\n\tstorage file_system {WORK}/caddy"
    (WORK / "Caddyfile").write_text(re.sub(r"^\{$", lambda _: local, text, count=1, flags=re.M))
    own = environment("proxy") | {"SITE": f"https://localhost:{PORTS['proxy']}", "HOME": str(WORK)}
    own |= {"PATH": os.environ["PATH"], "XDG_DATA_HOME": str(WORK), "XDG_CONFIG_HOME": str(WORK)}
    assert set(SERVICES["proxy"]["environment"]) == {"SITE", "UPSTREAMS"}
    return start("proxy", ["caddy", "run", "--adapter", "caddyfile", "--config", str(WORK / "Caddyfile")], own)


def each_took_a_part():
    took = {}
    for name in WORKERS:
        page = read(f"http://127.0.0.1:{PORTS[name]}/metrics")
        took[name] = int(re.search(r"^telestore_chunks_received_total (\d+)", page, re.M)[1])
    assert sum(count > 0 for count in took.values()) >= 2, f"the proxy balances: {took}"
    return took


def send(file, meanwhile):
    """The program's own client sends through the proxy, whatever becomes of single workers."""
    root = wait_for("the proxy's root", lambda: next(iter((WORK / "caddy").glob("**/root.crt")), None))
    command = [WORKER, "send", file, "--to", f"https://localhost:{PORTS['proxy']}", "--ca", root]
    own = {"TELESTORE_TOKEN": USER["auth_token"], "PATH": os.environ["PATH"]}
    client = subprocess.Popen(command, env=own, stdout=subprocess.PIPE, text=True)
    first = client.stdout.readline()
    meanwhile()
    said = first + client.stdout.read()
    assert client.wait(300) == 0, said
    digest = re.search(r"^sha256 ([0-9a-f]{64})", said, re.M)[1]
    messages = json.loads(read(f"{CONTROL}/messages?channel={USER['channel_id']}"))
    assert [message["sha256"] for message in messages].count(digest) == 1, "the same bytes, once"


def main():
    database()
    bucket()
    running = {name: start_worker(name) for name in WORKERS}
    running["proxy"] = proxy()
    try:
        for name in WORKERS:
            wait_for(name, lambda: read(f"http://127.0.0.1:{PORTS[name]}/ready"))
        client = [sys.executable, ROOT / "tests/deploy/through_proxy.py", f"https://localhost:{PORTS['proxy']}"]
        subprocess.run([*client, USER["auth_token"], CONTROL], check=True)
        print("ok chunks of", each_took_a_part(), flush=True)

        own = environment("worker-1") | {"TELESTORE_DATA_DIR": str(WORK / "operator")}
        told = json.loads(subprocess.check_output([WORKER, "workers", "--json"], env=own))
        assert [worker["state"] for worker in told["workers"]] == ["alive"] * len(WORKERS), told
        print(f"ok {len(WORKERS)} workers know of each other", flush=True)

        file = WORK / "file.bin"
        for ending, how in ((signal.SIGTERM, "stopped"), (signal.SIGKILL, "killed")):
            file.write_bytes(os.urandom(30_000_000))
            victim = WORKERS[0]
            send(file, lambda: running[victim].send_signal(ending))
            assert running[victim].wait(60) == (0 if ending == signal.SIGTERM else -ending)
            running[victim] = start_worker(victim)
            wait_for(victim, lambda: read(f"http://127.0.0.1:{PORTS[victim]}/ready"))
            print(f"ok a worker is {how} while a file arrives", flush=True)
    except BaseException:
        for name in running:
            print(f"-- {name}", (WORK / f"{name}.log").read_text()[-2000:], sep="\n", file=sys.stderr)
        raise
    finally:
        for process in running.values():
            process.kill()
            process.wait()


main()
