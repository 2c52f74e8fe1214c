"""The files for deployment name only what is there: settings, sources, the program's subcommands.

usage: files.py HELP_TEXT
"""

import pathlib
import re
import sys

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
SETTINGS = set(re.findall(r"\[env: ([A-Z_]+)", pathlib.Path(sys.argv[1]).read_text()))
assert len(SETTINGS) > 30, "the help text lists the settings"


def text(name):
    return (ROOT / name).read_text()


def known(where, names):
    names = set(names)
    assert names, f"{where} sets nothing"
    unknown = names - SETTINGS
    assert not unknown, f"{where} sets {sorted(unknown)}, which are no settings"


def settings_of(name):
    lines = [line for line in text(name).splitlines() if line and line[0] != "#"]
    return [line.split("=")[0] for line in lines]


def dockerfile():
    lines = [line for line in text("Dockerfile").splitlines() if line and not line.startswith("#")]
    words = [line.split() for line in lines]
    allowed = "FROM WORKDIR COPY RUN ENV USER VOLUME EXPOSE STOPSIGNAL HEALTHCHECK ENTRYPOINT".split()
    assert all(word[0] in allowed for word in words), lines
    assert [word[1] for word in words if word[0] == "FROM"][-1] == "scratch", "nothing but the worker is in the image"
    user = next(word[1] for word in words if word[0] == "USER")
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", user), "not root, and known without a file of names"
    assert f"--chown={user} /rootfs/data /data" in text("Dockerfile"), "the user owns the data directory"
    builds = [line for line in lines if "cargo build" in line]
    assert builds == ["RUN cargo build --release --locked -p telestore-worker --no-default-features"], builds
    program = "/usr/local/bin/telestore-worker"
    assert f'CMD ["{program}", "health"]' in text("Dockerfile"), "the health check needs no shell"
    assert lines[-1] == f'ENTRYPOINT ["{program}"]', lines[-1]
    known("Dockerfile", (pair.split("=")[0] for word in words if word[0] == "ENV" for pair in word[1:]))


def compose():
    compose = yaml.safe_load(text("compose.yaml"))
    worker, proxy = compose["services"]["worker"], compose["services"]["proxy"]
    known("compose.yaml", worker["environment"])
    assert worker["env_file"] == [{"path": ".env", "required": False}], "any setting, and none"
    demanded = re.findall(r"\$\{\w+:?\?", text("compose.yaml"))
    assert not demanded, f"compose.yaml demands {demanded}: there are two ways to run it"
    # What the file sets wins over .env, so it may set nothing that is needed to be somebody's worker.
    assert not any(name in worker["environment"] for name in settings_of("deploy/stand-alone.env"))
    fixed = {"PORT", "TELESTORE_HOST", "TELESTORE_DATA_DIR"}
    for name, value in worker["environment"].items():
        assert name in fixed or value.startswith("${" + name + ":-"), f"{name} in .env would count for nothing"
    assert worker["environment"]["PORT"] == worker["ports"][0].rsplit(":", 1)[1]
    assert worker["environment"]["TELESTORE_DATA_DIR"] == worker["volumes"][0].split(":")[1]
    assert worker["environment"]["BACKEND_URL"] == "${BACKEND_URL:-}", "from the shell or .env, else not set"
    assert worker["read_only"] and worker["cap_drop"] == ["ALL"]
    named = [volume.split(":")[0] for service in (worker, proxy) for volume in service["volumes"]]
    for name in named:
        assert name in compose["volumes"] or (ROOT / name).is_file(), f"compose.yaml mounts {name}"
    used = set(re.findall(r"\{\$(\w+)", text("deploy/Caddyfile")))
    assert used == set(proxy["environment"]), "the proxy's variables are those of the Caddyfile"


def cluster():
    """compose.cluster.yaml differs from compose.yaml in what many workers need; `.ci/compose` runs what it starts."""
    services = yaml.safe_load(text("compose.cluster.yaml"))["services"]
    workers = [service for name, service in services.items() if name.startswith("worker-")]
    alone = yaml.safe_load(text("compose.yaml"))["services"]["worker"]
    assert len(workers) == 3 and len({str(worker["volumes"]) for worker in workers}) == 3, "a name of its own for each"
    of_clouds = {"AWS_ENDPOINT_URL", "AWS_ALLOW_HTTP", "AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}
    for worker in workers:
        known("compose.cluster.yaml", set(worker["environment"]) - of_clouds)
        for name in set(alone) - {"environment", "env_file", "ports", "volumes"}:
            assert worker[name] == alone[name], f"{name} is another one than in compose.yaml"
        for name, value in alone["environment"].items():
            assert worker["environment"][name] == value, f"{name} is another one than in compose.yaml"
    demanded = set(re.findall(r"\$\{(\w+):\?", text("compose.cluster.yaml")))
    made = set(re.findall(r'^echo "(\w+)=', text("deploy/cluster-secrets"), re.M))
    assert demanded == made, "deploy/cluster-secrets makes what compose.cluster.yaml demands"
    volumes = yaml.safe_load(text("compose.cluster.yaml"))["volumes"]
    for service in services.values():
        for name in [volume.split(":")[0] for volume in service["volumes"]]:
            assert name in volumes or (ROOT / name).is_file(), f"compose.cluster.yaml mounts {name}"
    used = set(re.findall(r"\{\$(\w+)", text("deploy/Caddyfile.cluster")))
    assert used == set(services["proxy"]["environment"]), "the proxy's variables are those of the Caddyfile"


def render():
    for name, needed in (
        ("render.yaml", {"BACKEND_URL"}),
        ("deploy/render.stand-alone.yaml", {"TELESTORE_CHANNEL_ID", "TELESTORE_BOT_TOKEN", "TELESTORE_AUTH_TOKENS"}),
    ):
        blueprint(name, needed)


def blueprint(name, needed):
    (service,) = yaml.safe_load(text(name))["services"]
    variables = {variable["key"]: variable for variable in service["envVars"]}
    known(name, variables)
    asked = {key for key, variable in variables.items() if "value" not in variable}
    assert asked == needed, f"{name} asks for {asked}"
    assert all(variables[key].get("sync") is False or variables[key].get("generateValue") for key in asked)
    assert "TELESTORE_TRUSTED_PROXIES" not in variables, "its proxies name the edge, not the client"
    data = variables["TELESTORE_DATA_DIR"]["value"]
    assert data.startswith(service["disk"]["mountPath"] + "/"), "data is on the disk"
    assert service["numInstances"] == 1, "one worker for each data directory"
    assert service["buildCommand"].startswith("cargo build --release --locked")


def systemd():
    unit = text("deploy/telestore-worker.service")
    known("telestore-worker.service", re.findall(r"^Environment=(\w+)=", unit, re.M))
    for name in ("deploy/telestore-worker.env", "deploy/stand-alone.env"):
        known(name, settings_of(name))
    (data,) = re.findall(r"^Environment=TELESTORE_DATA_DIR=(.*)$", unit, re.M)
    control = text("deploy/telestorectl")
    assert f"export TELESTORE_DATA_DIR={data}\n" in control, "telestorectl has the unit's data directory"
    for name in ("User", "EnvironmentFile", "ExecStart"):
        (value,) = re.findall(rf"^{name}=(.*)$", unit, re.M)
        assert f":-{value}}}" in control, f"telestorectl has the unit's {name}"


for check in (dockerfile, compose, cluster, render, systemd):
    check()
    print(f"ok {check.__name__}")
