"""Python's httpx and httpx-sse: chunks at the same time, and JSON read from every event.

    python with_httpx.py URL TOKEN DIRECTORY
"""

import asyncio
import pathlib
import sys

import httpx
from httpx_sse import aconnect_sse

CHUNK = 5 * 1024 * 1024


async def events(client, url, upload_id):
    """All of them. Whatever the library makes an event of must hold JSON."""
    async with aconnect_sse(client, "GET", f"{url}/upload-events/{upload_id}") as source:
        return [event.json() async for event in source.aiter_sse()]


async def main(url, token, directory):
    small, big = (pathlib.Path(directory) / name for name in ("small.bin", "big.bin"))
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(headers=headers, timeout=120, trust_env=False) as client:
        answer = await client.post(f"{url}/upload", files={"file": ("httpx-фото.bin", small.read_bytes())})
        answer.raise_for_status()

        data = big.read_bytes()
        total = -(-len(data) // CHUNK)
        fields = {"uploadId": "httpx-1", "totalChunks": total, "fileName": "httpx-chunks.bin", "fileSize": len(data)}
        (await client.post(f"{url}/init-upload", json=fields)).raise_for_status()
        # From before the first chunk on.
        listening = asyncio.create_task(events(client, url, "httpx-1"))

        async def send(index):
            chunk = data[index * CHUNK : (index + 1) * CHUNK]
            form = {**fields, "chunkIndex": index}
            answer = await client.post(f"{url}/upload-chunk", data=form, files={"chunk": ("blob", chunk)})
            answer.raise_for_status()

        await asyncio.gather(*map(send, reversed(range(total))))
        (await client.post(f"{url}/complete-upload", json={"uploadId": "httpx-1"})).raise_for_status()
        heard = await asyncio.wait_for(listening, 120)
        assert heard and heard[-1]["status"] == "completed", heard


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
