"""The bytes of a form as .NET's HttpClient writes it (MultipartFormDataContent, .NET 8).

Its boundary is quoted, names are not; each text has a type of its own; a file name that is not ASCII comes twice, as a word
of RFC 2047 in quotes and as filename*.

    python like_dotnet.py URL TOKEN DIRECTORY
"""

import base64
import http.client
import json
import pathlib
import sys
import urllib.parse
import uuid

CHUNK = 1024 * 1024


def text(name, value):
    head = f"Content-Type: text/plain; charset=utf-8\r\nContent-Disposition: form-data; name={name}\r\n\r\n"
    return head.encode() + str(value).encode()


def file(name, file_name, data):
    word = base64.b64encode(file_name.encode()).decode()
    encoded = urllib.parse.quote(file_name, safe="!#$&+-.^_`|~")
    shown = file_name if file_name.isascii() else f'"=?utf-8?B?{word}?="'
    head = f"Content-Disposition: form-data; name={name}; filename={shown}; filename*=utf-8''{encoded}\r\n\r\n"
    return head.encode() + data


def post(address, path, parts):
    boundary = str(uuid.uuid4())
    # The first boundary has no line before it, the others do; two dashes and a line end it.
    body = f"--{boundary}\r\n".encode() + f"\r\n--{boundary}\r\n".encode().join(parts)
    body += f"\r\n--{boundary}--\r\n".encode()
    connection = http.client.HTTPConnection(address, timeout=120)
    connection.request("POST", path, body, {"Content-Type": f'multipart/form-data; boundary="{boundary}"'})
    answer = connection.getresponse()
    words = answer.read().decode()
    assert answer.status == 200, f"{path}: {answer.status} {words}"
    return json.loads(words)


def main(url, token, directory):
    address = urllib.parse.urlsplit(url).netloc
    small = (pathlib.Path(directory) / "small.bin").read_bytes()
    middle = (pathlib.Path(directory) / "middle.bin").read_bytes()
    sent = post(address, "/upload", [text("authToken", token), file("file", "dotnet-привет.bin", small)])
    assert sent["fileName"] == "dotnet-привет.bin", sent

    total = len(middle) // CHUNK
    fields = {"uploadId": "dotnet-1", "totalChunks": total, "fileName": "dotnet-chunks.bin", "fileSize": len(middle)}
    for index in range(total):
        texts = [text(name, value) for name, value in {**fields, "chunkIndex": index, "authToken": token}.items()]
        chunk = middle[index * CHUNK : (index + 1) * CHUNK]
        post(address, "/upload-chunk", [*texts, file("chunk", "dotnet-chunks.bin", chunk)])
    connection = http.client.HTTPConnection(address, timeout=120)
    # StringContent of Encoding.UTF8 has no byte order mark, a StreamWriter over the body does.
    body = b"\xef\xbb\xbf" + json.dumps({"uploadId": "dotnet-1"}).encode()
    connection.request("POST", "/complete-upload", body, {"Content-Type": "application/json; charset=utf-8"})
    answer = connection.getresponse()
    assert answer.status == 200, answer.read()
    answer.read()
    state = {"status": "uploading"}
    while state["status"] == "uploading":
        connection.request("GET", "/upload-progress/dotnet-1?wait=20")
        state = json.load(connection.getresponse())
    assert state["status"] == "completed", state


if __name__ == "__main__":
    main(*sys.argv[1:])
