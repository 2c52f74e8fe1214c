"""A worker with trouble on the way to it: in the middle of a client's upload (or download) the line is cut once, and once the
worker is killed (SIGKILL) and started again on the same data.

    python trouble.py [--down] WORKER BYTES COMMAND…

The worker is started with this process's environment. `{url}` in the command is its address, behind a proxy that counts what
clients send (with `--down`: what they get): after a quarter of BYTES it cuts the line, after half of it it kills the worker. The
command must end well, and both must have happened.
"""

import asyncio
import json
import os
import pathlib
import re
import socket
import sys
import tempfile
import time
import urllib.request


def free_port():
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return listening.getsockname()[1]


class Trouble:
    def __init__(self, worker, length, data, down):
        self.worker, self.data, self.port, self.counts_down = worker, data, free_port(), down
        self.cut_at, self.kill_at = length // 4, length // 2
        self.counted, self.did, self.lines = 0, [], set()
        self.process, self.busy, self.begun = None, asyncio.Lock(), None

    async def start(self):
        env = dict(os.environ, PORT=str(self.port), TELESTORE_HOST="127.0.0.1", TELESTORE_DATA_DIR=str(self.data))
        self.process = await asyncio.create_subprocess_exec(
            self.worker, env=env, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
        )
        line = await self.process.stdout.readline()
        assert line.startswith(b"listening on "), line

    async def count(self, length):
        self.counted += length
        await self.make()

    async def make(self):
        """Makes the trouble that is due, once each."""
        async with self.busy:
            if "cut" not in self.did and self.counted >= self.cut_at:
                self.did.append("cut")
            elif "killed" not in self.did and self.counted >= self.kill_at:
                self.did.append("killed")
                self.process.kill()
                await self.process.wait()
                await self.start()
            else:
                return
            for writer in self.lines:
                writer.transport.abort()

    def end(self):
        """Waits until the last upload by tus is in the channel: some clients do not."""
        while True:
            address = f"http://127.0.0.1:{self.port}/upload-progress/{self.begun}"
            with urllib.request.urlopen(address) as answer:
                state = json.load(answer)
            if state["status"] != "uploading":
                assert state["status"] == "completed", state
                return
            time.sleep(0.05)

    async def serve(self, reader, writer):
        self.lines.add(writer)
        try:
            from_worker, to_worker = await asyncio.open_connection("127.0.0.1", self.port)
        except OSError:
            writer.transport.abort()
            return
        self.lines.add(to_worker)

        async def up():
            while piece := await reader.read(65536):
                to_worker.write(piece)
                await to_worker.drain()
                await self.count(0 if self.counts_down else len(piece))
            to_worker.write_eof()

        async def down():
            while piece := await from_worker.read(65536):
                if begun := re.search(rb"(?i)\nlocation: *(?:[^\r\n]*/)?([^/\r\n]+)\r\n", piece):
                    self.begun = begun[1].decode()
                writer.write(piece)
                await writer.drain()
                await self.count(len(piece) if self.counts_down else 0)
            writer.write_eof()

        await asyncio.gather(up(), down(), return_exceptions=True)
        for end in (writer, to_worker):
            self.lines.discard(end)
            end.transport.abort()


async def main(*words):
    down = words[0] == "--down"
    worker, length, *command = words[1:] if down else words
    with tempfile.TemporaryDirectory() as work:
        trouble = Trouble(worker, int(length), pathlib.Path(work) / "data", down)
        await trouble.start()
        server = await asyncio.start_server(trouble.serve, "127.0.0.1", 0)
        url = "http://127.0.0.1:%d" % server.sockets[0].getsockname()[1]
        client = await asyncio.create_subprocess_exec(*(word.replace("{url}", url) for word in command))
        code = await client.wait()
        if code == 0 and not down:
            await asyncio.to_thread(trouble.end)
        trouble.process.kill()
        await trouble.process.wait()
    assert code == 0, f"{command[:2]} ended with {code}, after {trouble.did}"
    assert trouble.did == ["cut", "killed"], trouble.did


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
