"""Unmodified pyrofork reads a file out of a sandbox, and says what that took.

    python read.py JOB

JOB is JSON: the `address` of the sandbox, a Pyrogram `session` string, `dc_id`, `id`, `access_hash` and `file_reference` (bytes) of a
document as the session's account knows it, and how many `chunks` of 1 MiB to read. The answer is JSON: `seconds`, `cpu` (seconds),
and `peak` (MiB), without what it took to connect.
"""

import asyncio
import json
import resource
import sys
import time

from pyrogram import Client
from pyrogram.file_id import FileId, FileType
from pyrogram.session.internals import DataCenter

MIB = 1024 * 1024


def cpu():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


async def read(job):
    host, port = job["address"].rsplit(":", 1)
    # All data centres are the sandbox. Nothing else of pyrofork is changed.
    DataCenter.__new__ = lambda *_: (host, int(port))
    client = Client("benchmark", session_string=job["session"], api_id=1, api_hash="", in_memory=True, no_updates=True)
    # Not started: that asks for updates and for the account. The sandbox speaks of messages in a newer layer than pyrofork knows, so
    # somebody else has found the document.
    await client.connect()
    file_id = FileId(
        file_type=FileType.DOCUMENT,
        dc_id=job["dc_id"],
        media_id=job["id"],
        access_hash=job["access_hash"],
        file_reference=bytes(job["file_reference"]),
    )
    begin, before, length = time.monotonic(), cpu(), 0
    async for chunk in client.stream_media(file_id.encode(), limit=job["chunks"]):
        length += len(chunk)
    done = {"seconds": time.monotonic() - begin, "cpu": cpu() - before}
    await client.disconnect()
    if length != job["chunks"] * MIB:
        raise SystemExit(f"{length} bytes came of {job['chunks']} MiB")
    return done


def main():
    done = asyncio.run(read(json.loads(sys.argv[1])))
    done["peak"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps(done))


if __name__ == "__main__":
    main()
