#!/usr/bin/env bash
# curl: a whole file in one form, one in chunks, and its events in HTTP/1.0.
#   curl.sh URL TOKEN DIRECTORY
set -euo pipefail
url=$1 token=$2 dir=$3
say() { curl --silent --show-error --fail-with-body --noproxy '*' --max-time 120 "$@"; echo; }

# -F file=@… is what most people type; curl says Expect: 100-continue by itself from 1 MiB on.
say -H "Authorization: Bearer $token" -F "file=@$dir/small.bin;filename=curl \"фото\".bin" "$url/upload"
say -H 'Expect: 100-continue' -F "authToken=$token" -F "file=@$dir/middle.bin;filename=curl-expect.bin" "$url/upload"
# A base address with a slash at its end.
say -H "Authorization: Bearer $token" -F "file=@$dir/small.bin" -F fileName=curl-slash.bin "$url//upload/"

# -T: the body is the file, of known length, from a pipe, and with 100-continue, which curl says of each.
say -H "Authorization: Bearer $token" -T "$dir/small.bin" "$url/upload/curl%20-T.bin"
say -H "Authorization: Bearer $token" -T - "$url/upload/curl-pipe.bin" <"$dir/middle.bin"

size=$(stat -c %s "$dir/big.bin") chunk=5242880
total=$((size / chunk + 1))
# -d declares a form, and everybody sends JSON with it.
say -d "{\"uploadId\": \"curl-1\", \"fileName\": \"curl-chunks.bin\", \"totalChunks\": $total, \"fileSize\": $size}" "$url/init-upload"
for ((index = 0; index < total; index++)); do
  dd if="$dir/big.bin" bs=$chunk skip=$index count=1 status=none |
    say -F "chunk=@-;filename=blob" -F uploadId=curl-1 -F chunkIndex=$index -F totalChunks=$total \
      -F fileName=curl-chunks.bin -F fileSize="$size" -F "authToken=$token" "$url/upload-chunk" >/dev/null
done
say --json '{"uploadId": "curl-1"}' "$url/complete-upload"
say --http1.0 --no-buffer "$url/upload-events/curl-1" | tee "$dir/curl-events" >/dev/null
grep -q '"status":"completed"' "$dir/curl-events" || { cat "$dir/curl-events"; exit 1; }
