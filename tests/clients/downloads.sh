#!/usr/bin/env bash
# Programs that download, and go on where they stopped: what comes is what was sent.
#   downloads.sh URL TOKEN FILE wget|aria2c
set -euo pipefail
url=$1 token=$2 file=$3 program=$4
authorization="Authorization: Bearer $token"
export no_proxy='*'

curl -sS --fail-with-body -o /dev/null -H "$authorization" -T "$file" "$url/upload/$program.bin"
id=$(curl -fsS -H "$authorization" "$url/files?limit=1" | python3 -c 'import json, sys; print(json.load(sys.stdin)["files"][0]["id"])')
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
case $program in
  wget) fetch() { wget -nv -c -t 20 --retry-connrefused --waitretry=1 --header "$authorization" -O "$out/$program.bin" "$1"; } ;;
  aria2c) fetch() { aria2c -q -x4 -s4 -k1M -c -m 20 --retry-wait=1 --header "$authorization" -d "$out" -o "$program.bin" "$1"; } ;;
esac
# As people do it: the same line again, until it has all.
until fetch "$url/files/$id/content"; do sleep 1; done
[ "$(sha256sum <"$file")" = "$(sha256sum <"$out/$program.bin")" ] || { echo "$program: other bytes came"; exit 1; }
# The same line once more finds that there is nothing left to fetch.
fetch "$url/files/$id/content"
[ "$(sha256sum <"$file")" = "$(sha256sum <"$out/$program.bin")" ] || { echo "$program: other bytes are there by now"; exit 1; }
echo "ok   $program"
