"""tuspy: a file in chunks, and one whose client begins again from what it remembers.

    python with_tuspy.py URL TOKEN FILE NAME CHUNK
"""

import sys
import tempfile
import time
import urllib.request

from tusclient import client
from tusclient.storage.filestorage import FileStorage


def main(url, token, path, name, chunk):
    tus = client.TusClient(f"{url}/tus/", headers={"Authorization": f"Bearer {token}"})
    with tempfile.NamedTemporaryFile(suffix=".json") as remembered:
        storage = FileStorage(remembered.name)
        for _ in range(20):
            try:
                # What a client does that is started again: the storage has the address, and a HEAD says where to go on.
                uploader = tus.uploader(
                    path, chunk_size=int(chunk), retries=5, retry_delay=0.5, metadata={"filename": name},
                    store_url=True, url_storage=storage,
                )
                uploader.upload()
                break
            except OSError as error:
                print(f"again after {type(error).__name__}")
                time.sleep(0.3)
        storage.close()
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    address = f"{url}/upload-progress/{uploader.url.rsplit('/', 1)[-1]}"
    for _ in range(600):
        with opener.open(address, timeout=30) as answer:
            state = answer.read().decode()
        if '"uploading"' not in state:
            break
        time.sleep(0.1)
    assert '"completed"' in state, state


if __name__ == "__main__":
    main(*sys.argv[1:])
