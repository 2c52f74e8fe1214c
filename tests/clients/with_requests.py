"""Python's requests: a whole file, and one in chunks with an empty one at the end.

    python with_requests.py URL TOKEN DIRECTORY
"""

import pathlib
import sys
import time

import requests

CHUNK = 1024 * 1024


def main(url, token, directory):
    session = requests.Session()
    session.trust_env = False
    session.headers["Authorization"] = f"Bearer {token}"
    small, middle = (pathlib.Path(directory) / name for name in ("small.bin", "middle.bin"))

    # The name of the file is the part's; requests sends it as filename*= if it is not ASCII.
    with small.open("rb") as file:
        answer = session.post(f"{url}/upload", files={"file": ("requests é.bin", file)}, timeout=120)
    answer.raise_for_status()

    data = middle.read_bytes()
    # Floor and one more: the file is a multiple of the chunk.
    total = len(data) // CHUNK + 1
    fields = {"uploadId": 1763790000001, "totalChunks": float(total), "fileName": "requests-chunks.bin", "fileSize": len(data)}
    session.post(f"{url}/init-upload", json=fields, timeout=30).raise_for_status()
    for index in range(total):
        chunk = data[index * CHUNK : (index + 1) * CHUNK]
        form = {**fields, "chunkIndex": index}
        answer = session.post(f"{url}/upload-chunk", data=form, files={"chunk": ("blob", chunk)}, timeout=120)
        answer.raise_for_status()
    assert answer.json()["complete"], answer.text
    session.post(f"{url}/complete-upload", json={"uploadId": fields["uploadId"]}, timeout=30).raise_for_status()
    for _ in range(600):
        state = session.get(f"{url}/upload-progress/{fields['uploadId']}", timeout=30).json()
        if state["status"] != "uploading":
            break
        time.sleep(0.1)
    assert state["status"] == "completed", state


if __name__ == "__main__":
    main(*sys.argv[1:])
