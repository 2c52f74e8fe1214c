#!/bin/sh
# The commands that docs/OPERATIONS.md gives for systemd, as pasted, but for systemd itself: in a mount namespace of its own,
# where /etc, /usr/local, /var/lib and what the commands write are copies.
#
# usage: unshare --mount tests/deploy/systemd.sh WORKER BACKEND_URL EMPTY_DIRECTORY
set -eu
worker=$1 backend=$2 work=$3
cd "$(dirname "$0")/../.."

# What lies before a mount, with the rights that it has there.
copied() { mkdir -p "$work/copy$1" && mount --bind "$work/copy$1" "$1"; }
mount --make-rprivate /
cp -a --parents /etc "$work/" && mkdir "$work/copy" && mv "$work/etc" "$work/copy/etc" && mount --bind "$work/copy/etc" /etc
chmod 755 "$work"
copied /usr/local
copied /var/lib
mkdir -p /usr/local/bin /usr/local/sbin
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
# Who pastes `sudo` has it; here is root already.
printf '#!/bin/sh\nexec "$@"\n' >/usr/local/bin/sudo && chmod 755 /usr/local/bin/sudo

block() { sed -n "$1,/^\`\`\`\$/p" docs/OPERATIONS.md | sed -n '/^```sh$/,/^```$/p' | sed '1d;$d'; }
install=$(block '/^### systemd/' | sed "s|target/release/telestore-worker|$worker|" | grep -v '^systemctl\|^journalctl')
[ "$(echo "$install" | wc -l)" -ge 5 ] || { echo "docs/OPERATIONS.md has no commands to install"; exit 1; }
sh -euxc "$install"

# The one thing that the commands leave to the operator; and settings that a shell would stumble over.
cat >/etc/telestore-worker.env <<ENV
# the backend
BACKEND_URL="$backend"
TELESTORE_HOST=127.0.0.1
  PORT=0
TELESTORE_TRUSTED_PROXIES=127.0.0.1, 10.0.0.0/8
TELESTORE_WEBHOOK_SECRET='a \$(touch $work/was-run) b'
TELESTORE_MIN_FREE_BYTES=0
ENV
[ "$(stat -c %a /etc/telestore-worker.env)" = 600 ]
# What the unit does (StateDirectory, StateDirectoryMode).
install -d -m 700 -o telestore-worker -g telestore-worker /var/lib/telestore-worker

echo "before the first start"
sudo telestorectl check
[ -z "$(ls -A /var/lib/telestore-worker)" ] || { echo "a check made something"; exit 1; }
if sudo telestorectl uploads list; then echo "uploads where there are none"; exit 1; fi

# What the unit starts.
touch "$work/out"
runuser -u telestore-worker -- env -i BACKEND_URL="$backend" TELESTORE_HOST=127.0.0.1 PORT=0 \
  TELESTORE_DATA_DIR=/var/lib/telestore-worker /usr/local/bin/telestore-worker >"$work/out" 2>"$work/log" &
running=$!
trap 'kill $running 2>/dev/null || true; wait' EXIT
until grep -q '^listening' "$work/out"; do kill -0 $running || { cat "$work/log"; exit 1; }; sleep 0.1; done

echo "as pasted, beside the worker"
sh -euxc "$(block '/<!-- telestorectl -->/')" | tee "$work/said"
grep -q 'one runs on this data directory' "$work/said"
grep -q '^ID .* STATE' "$work/said"
[ ! -e "$work/was-run" ] || { echo "a setting was run as a command"; exit 1; }
[ -z "$(find /var/lib/telestore-worker ! -user telestore-worker)" ] || { echo "it left files of root"; exit 1; }

echo "what is wrong is said"
echo 'not a setting' >>/etc/telestore-worker.env
if sudo telestorectl check 2>"$work/said"; then echo "it took nonsense"; exit 1; fi
grep -q 'not NAME=value' "$work/said"
