"""Unmodified Telethon against a running sandbox.

    python crosscheck.py CONTROL_URL [--channel ID] [--download-message ID]... [--size-mb N] [--login WORKER]
                         [--opens IDS FILE COMMAND]... [--mtproxy LINK]

CONTROL_URL is what the sandbox calls `control_url`, for example http://127.0.0.1:8081/sandbox. The checks sign in
with the session string of the channel's user, find the channel in the dialogs, send a random file, take the login to
another data centre (with a key exchange), and download each message named (and the file just sent) and compare it with
what the sandbox keeps. What is downloaded of several messages (IDS, with commas), joined, is made FILE again by COMMAND, which
reads it. Telethon signs in by itself, by a code and a password and by a QR code; and with the session string that
`WORKER login` prints. Exits with 1 on a failure.
"""

import argparse
import asyncio
import hashlib
import json
import os
import pathlib
import sys
import tempfile
import urllib.request
from urllib.parse import parse_qs, urlsplit

from telethon import TelegramClient
from telethon.crypto import rsa
from telethon.errors import PasswordHashInvalidError, PhoneCodeInvalidError, SessionPasswordNeededError
from telethon.network import ConnectionTcpMTProxyAbridged, ConnectionTcpMTProxyRandomizedIntermediate
from telethon.sessions import StringSession
from telethon.tl.functions.users import GetUsersRequest
from telethon.tl.types import DocumentAttributeVideo, InputUserSelf

TIMEOUT = 300


class Checks:
    """Runs named checks and counts how they end."""

    def __init__(self):
        self.passed = 0
        self.failed = 0

    async def run(self, name, check):
        try:
            result = await asyncio.wait_for(check(), TIMEOUT)
        except Exception as error:
            self.failed += 1
            print(f"FAIL {name}: {type(error).__name__}: {error}")
            return None
        self.passed += 1
        print(f"ok   {name}")
        return result


# Straight to loopback, whatever proxy the environment names.
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def fetch(url):
    with OPENER.open(url, timeout=30) as answer:
        return json.load(answer)


def send_json(method, url, value):
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(url, json.dumps(value).encode(), headers, method=method)
    with OPENER.open(request, timeout=30) as answer:
        body = answer.read()
    return json.loads(body) if body else None


def sha256(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def expect(actual, expected, what):
    if actual != expected:
        raise AssertionError(f"{what} is {actual!r}, not {expected!r}")


def random_file(path, size):
    with open(path, "wb") as file:
        while size > 0:
            size -= file.write(os.urandom(min(size, 1 << 20)))


class SignIns:
    """Ways to sign in at the sandbox."""

    def __init__(self, control, sandbox):
        self.control = control
        self.sandbox = sandbox
        # The worker's sandbox is no server of Telegram's.
        rsa.add_key(sandbox["server_key"].encode(), old=False)

    async def code(self):
        return (await asyncio.to_thread(fetch, f"{self.control}/codes"))[0]["code"]

    async def stranger(self, user):
        session = StringSession()
        host, port = self.sandbox["mtproto_addr"].rsplit(":", 1)
        session.set_dc(self.sandbox["dc_id"], host, int(port))
        client = TelegramClient(session, user["api_id"], user["api_hash"])
        await client.connect()
        expect(await client.is_user_authorized(), False, "authorised before anybody signed in")
        return client

    async def by_code_and_password(self):
        spec = {"name": "carol", "password": "open sesame"}
        carol = await asyncio.to_thread(send_json, "POST", f"{self.control}/users", spec)
        client = await self.stranger(carol)
        try:
            await client.send_code_request(carol["phone"])
            code = await self.code()
            await refused(PhoneCodeInvalidError, client.sign_in(carol["phone"], "00000" if code != "00000" else "11111"))
            await refused(SessionPasswordNeededError, client.sign_in(carol["phone"], code))
            await refused(PasswordHashInvalidError, client.sign_in(password="open simsim"))
            me = await client.sign_in(password="open sesame")
            expect((me.id, me.first_name), (carol["telegram_user_id"], "carol"), "the account")
        finally:
            await client.disconnect()

    async def by_qr_code(self, user):
        client = await self.stranger(user)
        try:
            shown = await client.qr_login()
            waiting = asyncio.ensure_future(shown.wait())
            scan = {"user_id": user["user_id"], "code": shown.url}
            await asyncio.to_thread(send_json, "POST", f"{self.control}/login-tokens/scan", scan)
            expect((await waiting).id, user["telegram_user_id"], "the account")
        finally:
            await client.disconnect()

    async def by_the_worker(self, worker, user):
        """The session string that `login` prints, answered as by a person."""
        environment = dict(
            os.environ,
            TELESTORE_API_ID=str(user["api_id"]),
            TELESTORE_API_HASH=user["api_hash"],
            TELESTORE_MTPROTO_DC=self.sandbox["mtproto_addr"],
            TELESTORE_MTPROTO_SERVER_KEY=self.sandbox["server_key"],
        )
        pipe = asyncio.subprocess.PIPE
        login = await asyncio.create_subprocess_exec(
            worker, "login", "--phone", user["phone"], env=environment, stdin=pipe, stdout=pipe, stderr=pipe
        )
        while not (line := await login.stderr.readline()).startswith(b"Code:"):
            if not line:
                raise AssertionError("login ended before it asked for a code")
        printed, _ = await login.communicate(f"{await self.code()}\n".encode())
        expect(login.returncode, 0, "the end of login")
        session = printed.decode().removesuffix("\n")
        expect(len(session), 353, "the length of the session string")
        return session


async def refused(error, call):
    try:
        await call
    except error:
        return
    raise AssertionError(f"it was not refused with {error.__name__}")


def way(link):
    """What a client goes through an MTProxy with."""
    if link is None:
        return {}
    asked = {key: values[0] for key, values in parse_qs(urlsplit(link).query).items()}
    padded = asked["secret"].startswith("dd")
    kind = ConnectionTcpMTProxyRandomizedIntermediate if padded else ConnectionTcpMTProxyAbridged
    return {"connection": kind, "proxy": (asked["server"], int(asked["port"]), asked["secret"])}


async def check_all(args, checks, folder):
    sandbox = await checks.run("the control API describes the sandbox", lambda: asyncio.to_thread(fetch, args.control))
    if sandbox is None:
        return
    users = [user for user in sandbox["users"] if user["telethon_session"]]
    user = next(user for user in users if args.channel in (None, user["channel_id"]))
    channel_id = int(user["channel_id"])
    client = TelegramClient(
        StringSession(user["telethon_session"]), user["api_id"], user["api_hash"], **way(args.mtproxy)
    )
    # Before the client asks for the addresses, which it does once.
    other = await asyncio.to_thread(send_json, "POST", f"{args.control}/data-centres", {"id": 4})
    home_url = f"{args.control}/users/{user['user_id']}/data-centre"
    messages_url = f"{args.control}/messages?channel={channel_id}"

    async def kept(message_id):
        messages = await asyncio.to_thread(fetch, messages_url)
        return next(message for message in messages if message["message_id"] == message_id)

    async def sign_in():
        await client.connect()
        expect(await client.is_user_authorized(), True, "authorised")
        me = await client.get_me()
        expect((me.id, me.first_name), (user["telegram_user_id"], user["name"]), "the account")

    async def find_channel():
        async for dialog in client.iter_dialogs():
            if dialog.id == channel_id:
                return dialog.entity
        raise AssertionError("the channel is not among the dialogs")

    async def send():
        path = pathlib.Path(folder, "crosscheck.bin")
        random_file(path, args.size_mb * 1_000_000)
        sent = await client.send_file(channel, str(path), caption="Uploaded: crosscheck.bin", force_document=True)
        expect(sent.document.size, path.stat().st_size, "the size in the answer")
        message = await kept(sent.id)
        expect(message["sha256"], sha256(path), "the hash that the sandbox kept")
        expect(sha256(message["path"]), sha256(path), "the hash of the file in the channel's folder")
        expect(message["file_name"], "crosscheck.bin", "the file name")
        expect(message["caption"], "Uploaded: crosscheck.bin", "the caption")
        return sent.id

    async def read_options():
        message = await client.get_messages(channel, ids=args.options_message)
        expect(message.raw_text, "<b>told</b> to the letter", "the caption")
        expect(message.entities, None, "what parts of it look like")
        expect(message.silent, True, "silent")
        expect(message.reply_to.forum_topic, True, "a message in a topic")
        expect(message.reply_to.reply_to_msg_id, 7, "the topic")

    async def read_video():
        message = await client.get_messages(channel, ids=args.video_message)
        found = next(one for one in message.document.attributes if isinstance(one, DocumentAttributeVideo))
        expect((found.w, found.h, found.duration, found.supports_streaming), (64, 48, 2.0, True), "the video")
        expect(message.file.name, "behind.mp4", "the name")

    async def find_message():
        found = [message.id async for message in client.iter_messages(channel, search="crosscheck")]
        expect(sent_id in found, True, "the message found again")

    async def take_login_along():
        # A key exchange with a data centre of its own, and the login taken there, as for a file that lies elsewhere.
        sender = await client._borrow_exported_sender(other["id"])
        try:
            await asyncio.to_thread(send_json, "PUT", home_url, {"id": other["id"]})
            found = await client._call(sender, GetUsersRequest([InputUserSelf()]))
            expect([one.id for one in found], [user["telegram_user_id"]], "the account at the other data centre")
        finally:
            await asyncio.to_thread(send_json, "PUT", home_url, {"id": sandbox["dc_id"]})
            await client._return_exported_sender(sender)

    async def read_with_printed_string():
        session = await sign_ins.by_the_worker(args.login, user)
        other = TelegramClient(StringSession(session), user["api_id"], user["api_hash"])
        await other.connect()
        try:
            me = await other.get_me()
            expect(me.id, user["telegram_user_id"], "the account")
            entity = [dialog.entity async for dialog in other.iter_dialogs() if dialog.id == channel_id][0]
            for message_id in args.download_message:
                await download(message_id, other, entity)
        finally:
            await other.disconnect()

    async def download(message_id, by=None, entity=None):
        by, entity = by or client, entity or channel
        message = await by.get_messages(entity, ids=message_id)
        if message is None:
            raise AssertionError("there is no such message")
        path = await by.download_media(message, file=str(pathlib.Path(folder, f"download-{message_id}")))
        expect(sha256(path), (await kept(message_id))["sha256"], "the hash of the download")
        return path

    async def opens(ids, original, command):
        joined, opened = pathlib.Path(folder, "joined"), pathlib.Path(folder, "opened")
        with joined.open("wb") as all_of_it:
            for message_id in ids.split(","):
                all_of_it.write(pathlib.Path(await download(int(message_id))).read_bytes())
        with joined.open("rb") as given, opened.open("wb") as taken:
            line = ["bash", "-o", "pipefail", "-c", command]
            process = await asyncio.create_subprocess_exec(*line, stdin=given, stdout=taken)
            expect(await process.wait(), 0, f"the end of {command}")
        expect(sha256(opened), sha256(original), "the hash of what was opened")

    sign_ins = SignIns(args.control, sandbox)
    try:
        await checks.run("signs in with the session string", sign_in)
        channel = await checks.run("finds the channel in the dialogs", find_channel)
        if channel is None:
            return
        sent_id = await checks.run(f"sends {args.size_mb} MB", send)
        wanted = list(args.download_message)
        if sent_id is not None:
            await checks.run("finds the message by a search", find_message)
            wanted.append(sent_id)
        if args.mtproxy is None:
            await checks.run("makes a key at another data centre and takes the login there", take_login_along)
        if args.options_message:
            await checks.run("finds caption, topic and silence as they were asked for", read_options)
        if args.video_message:
            await checks.run("finds what a video says of itself", read_video)
        for message_id in wanted:
            await checks.run(f"downloads message {message_id}", lambda: download(message_id))
        for ids, original, command in args.opens:
            program = command.split()[0]
            await checks.run(f"downloads messages {ids}, which {program} opens", lambda: opens(ids, original, command))
        if args.mtproxy is None:
            await checks.run("signs in with a code and a password", sign_ins.by_code_and_password)
            await checks.run("signs in with a QR code", lambda: sign_ins.by_qr_code(user))
        if args.login:
            await checks.run("reads with the session string that login printed", read_with_printed_string)
    finally:
        await client.disconnect()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("control", metavar="CONTROL_URL")
    parser.add_argument("--channel", help="the channel id, as the Bot API writes it; the first user's by default")
    parser.add_argument("--download-message", type=int, action="append", default=[], metavar="ID")
    parser.add_argument(
        "--opens", nargs=3, action="append", default=[], metavar=("IDS", "FILE", "COMMAND"), help="pieces of a file"
    )
    parser.add_argument("--login", metavar="WORKER", help="the worker's program, whose login is tried")
    parser.add_argument("--options-message", type=int, metavar="ID", help="in topic 7, silent, with a caption of its own")
    parser.add_argument("--video-message", type=int, metavar="ID", help="the sample, sent as a video")
    parser.add_argument("--mtproxy", metavar="LINK", help="tg://proxy?server=…&port=…&secret=… to go through")
    parser.add_argument("--size-mb", type=int, default=60)
    args = parser.parse_args()
    args.control = args.control.rstrip("/")
    checks = Checks()
    with tempfile.TemporaryDirectory() as folder:
        try:
            asyncio.run(check_all(args, checks, folder))
        except Exception as error:
            checks.failed += 1
            print(f"FAIL the checks did not end: {type(error).__name__}: {error}")
    print(f"{checks.passed} passed, {checks.failed} failed")
    sys.exit(1 if checks.failed or not checks.passed else 0)


if __name__ == "__main__":
    main()
