// tus's own server over files, as its documentation shows it.
//
//   node server.mjs DIRECTORY      says its address, and serves until its input ends

import { createServer } from "node:http";
import { FileStore } from "@tus/file-store";
import { Server } from "@tus/server";

const tus = new Server({ path: "/tus", datastore: new FileStore({ directory: process.argv[2] }) });
const server = createServer((request, answer) => tus.handle(request, answer));
server.listen(0, "127.0.0.1", () => console.log(`127.0.0.1:${server.address().port}`));
process.stdin.on("end", () => process.exit()).resume();
