// What the test of the page for people stands on: a worker that can be killed, the sandbox's channel, and a browser that is
// watched.

import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, request as ask } from "node:http";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { chromium } from "playwright-core";

export const PATIENCE = 60_000;

// A name of this machine by which pages have no secure context, as by an address of a local network.
export const HOST = "worker.test";

// Files on the disk, of random bytes, as a person has them.
export class Files {
  dir = mkdtempSync(join(tmpdir(), "telestore-page-"));

  make(name, length) {
    const path = join(this.dir, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, randomBytes(length));
    return path;
  }

  put(name, bytes) {
    const path = join(this.dir, name);
    writeFileSync(path, bytes);
    return path;
  }

  remove() {
    rmSync(this.dir, { recursive: true, force: true });
  }
}

export const digest = (path) => createHash("sha256").update(readFileSync(path)).digest("hex");

// The sandbox's channel.
export class Channel {
  constructor(control) {
    this.control = control;
  }

  async messages() {
    return (await fetch(`${this.control}/messages`)).json();
  }

  // Each file is there once, byte by byte.
  async holds(paths) {
    const messages = await this.messages();
    for (const path of paths) {
      const [name, expected] = [path.split("/").pop(), digest(path)];
      const found = messages.filter((message) => message.sent_name === name && message.sha256 === expected);
      assert.equal(found.length, 1, `${name} is there ${found.length} times`);
      assert.equal(digest(found[0].path), expected, name);
    }
    return messages;
  }

  // Somebody deletes the message of a file in Telegram.
  async deletes(name) {
    const { bot_api_url, users: [{ bot_token, channel_id }] } = await (await fetch(this.control)).json();
    const [{ message_id }] = (await this.messages()).filter(({ sent_name }) => sent_name === name);
    const body = new URLSearchParams({ chat_id: channel_id, message_id });
    const answer = await fetch(`${bot_api_url}/bot${bot_token}/deleteMessage`, { method: "POST", body });
    assert.ok(answer.ok, await answer.text());
  }

  async put(path, body, method = "PUT") {
    const answer = await fetch(`${this.control}/${path}`, {
      method, headers: { "Content-Type": "application/json" }, body: JSON.stringify(body),
    });
    assert.ok(answer.ok, `${method} ${path}: ${answer.status} ${await answer.text()}`);
  }
}

// The worker, in a process of its own that is killed and started again where it was.
export class Worker {
  #command;
  #child;
  port = 0;

  constructor(command) {
    this.#command = command;
  }

  async start() {
    this.#child = spawn("sh", ["-c", `exec env PORT=${this.port} ${this.#command}`], { stdio: ["ignore", "pipe", "inherit"] });
    for await (const line of createInterface(this.#child.stdout)) {
      const found = /^listening on http:\/\/127\.0\.0\.1:(\d+)/.exec(line);
      if (!found) continue;
      this.port = Number(found[1]);
      return;
    }
    throw new Error("the worker ended");
  }

  async kill() {
    const ended = new Promise((resolve) => this.#child.once("exit", resolve));
    this.#child.kill("SIGKILL");
    await ended;
  }

  get url() {
    return `http://${HOST}:${this.port}`;
  }

  // How much of a file by tus is there, and how much there will be.
  async received(path, token) {
    const headers = { Authorization: `Bearer ${token}`, "Tus-Resumable": "1.0.0" };
    const answer = await fetch(`http://127.0.0.1:${this.port}${path}`, { method: "HEAD", headers });
    return ["upload-offset", "upload-length"].map((name) => Number(answer.headers.get(name)));
  }
}

// A proxy that has the worker below a path, and takes the path off.
export function proxyBelow(path, worker) {
  const server = createServer((request, response) => {
    if (!request.url.startsWith(path)) return response.writeHead(404).end();
    const options = { host: "127.0.0.1", port: worker.port, method: request.method, path: request.url.slice(path.length), headers: request.headers };
    const onward = ask(options, (answer) => {
      response.writeHead(answer.statusCode, answer.headers);
      answer.pipe(response);
    });
    onward.on("error", () => response.destroy());
    request.pipe(onward);
  });
  return new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(server)));
}

// A browser in which everything is noted that the page must not do.
export class Browser {
  complaints = [];
  requests = [];
  // Texts of errors that are meant to come; and of those that may come wherever a line was cut, since tus asks then.
  expected = [];
  #usual = ["409", "423"];

  static async launch() {
    const browser = new Browser();
    browser.profile = mkdtempSync(join(tmpdir(), "telestore-browser-"));
    browser.context = await chromium.launchPersistentContext(browser.profile, {
      executablePath: execFileSync("sh", ["-c", "command -v chromium"]).toString().trim(),
      headless: true,
      viewport: { width: 900, height: 800 },
      args: [
        "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
        "--disable-component-update", "--disable-sync", `--host-resolver-rules=MAP ${HOST} 127.0.0.1`,
      ],
    });
    await browser.context.addInitScript(() => {
      document.addEventListener("securitypolicyviolation", (event) => console.error(`CSP: ${event.violatedDirective} ${event.blockedURI}`));
    });
    return browser;
  }

  async page(origin) {
    const page = await this.context.newPage();
    page.setDefaultTimeout(PATIENCE);
    page.on("pageerror", (error) => this.complaints.push(String(error)));
    page.on("console", (message) => this.#heard(message));
    page.on("request", (request) => {
      this.requests.push({ method: request.method(), url: request.url(), headers: request.headers() });
      if (!request.url().startsWith("data:") && new URL(request.url()).origin !== origin) {
        this.complaints.push(`the page asked for ${request.url()}`);
      }
    });
    // Leaving in the middle is what some tests are about.
    page.on("dialog", (dialog) => dialog.accept());
    return page;
  }

  #heard(message) {
    if (message.type() !== "error" && message.type() !== "warning") return;
    const text = message.text();
    // Chromium itself says so of each answer that is no success, and of a worker that is away.
    const expected = /^Failed to load resource: /.test(text) && [...this.expected, ...this.#usual].some((words) => text.includes(words));
    if (!expected) this.complaints.push(`${message.type()}: ${text} ${message.location().url}`);
  }

  // Requests since the last time.
  taken() {
    return this.requests.splice(0, this.requests.length);
  }

  async close() {
    await this.context.close();
    rmSync(this.profile, { recursive: true, force: true });
  }
}

const sessions = new WeakMap();

// How fast the page's line to the worker is, in bytes a second, 0 for as fast as can be; and after how many milliseconds answers come.
export async function line(page, rate, latency = 0) {
  if (!sessions.has(page)) sessions.set(page, await page.context().newCDPSession(page));
  const session = sessions.get(page);
  await session.send("Network.enable");
  await session.send("Network.emulateNetworkConditions", {
    offline: false, latency, downloadThroughput: -1, uploadThroughput: rate || -1,
  });
}
