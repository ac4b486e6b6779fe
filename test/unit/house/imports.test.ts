/** The house's order: imports go one way, pure parts stay pure, files stay small and say what they are. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { inRoot } from "../../support/root.js";

/** What each room may import from, itself always. Nothing else. */
const MAY: Readonly<Record<string, readonly string[]>> = {
  core: [],
  resp: ["core"],
  frame: ["core"],
  socketio: ["core"],
  plane: ["core", "resp", "frame", "socketio"],
  discovery: ["core"],
  config: ["core"],
  metrics: ["core"],
  admin: ["core"],
  broker: ["core", "resp", "socketio", "plane"],
  trunk: ["core", "resp", "frame", "socketio", "plane", "broker", "discovery"],
  proxy: ["core", "resp", "socketio", "plane", "broker", "trunk", "discovery"],
  app: ["core", "config", "metrics", "admin", "discovery", "plane", "socketio", "trunk", "broker", "proxy"],
  injector: ["core", "config"],
  "injector-app": ["core", "config", "metrics", "admin", "injector"],
  cli: ["core", "config", "app", "injector", "injector-app"],
  main: ["cli"],
};
/** Rooms without sockets, timers, clocks or the process; what of Node's they may use. */
const PURE: Readonly<Record<string, readonly string[]>> = {
  core: [],
  resp: [],
  frame: ["node:zlib"],
  socketio: [],
  plane: [],
};
const IMPURE = /\b(setTimeout|setInterval|setImmediate|Date\.now|new Date|performance\.|process\.|console\.)/;

interface SourceFile {
  path: string;
  room: string;
  text: string;
  imports: string[];
}

function sources(): SourceFile[] {
  return readdirSync(inRoot("src"), { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(".ts"))
    .map((path) => {
      const text = readFileSync(inRoot("src", path), "utf8");
      const imports = [...text.matchAll(/^(?:import|export)\b[^"';]*?from\s+"([^"]+)"|\bimport\("([^"]+)"\)/gm)].map(
        (match) => match[1] ?? match[2]!,
      );
      return { path, room: path.includes("/") ? path.split("/")[0]! : path.replace(/\.ts$/, ""), text, imports };
    });
}

/** The room that a relative import leads to. */
function roomOf(file: SourceFile, specifier: string): string {
  const target = new URL(specifier, `file:///src/${file.path}`).pathname.slice("/src/".length);
  return target.includes("/") ? target.split("/")[0]! : target.replace(/\.js$/, "");
}

const files = sources();

test("every file stands in a room that the house knows", () => {
  assert.ok(files.length > 20);
  for (const file of files) assert.ok(file.room in MAY, `src/${file.path}: unknown room "${file.room}"`);
});

test("imports go one way", () => {
  for (const file of files) {
    for (const specifier of file.imports.filter((one) => one.startsWith("."))) {
      const room = roomOf(file, specifier);
      const allowed = room === file.room || (MAY[file.room] ?? []).includes(room);
      assert.ok(allowed, `src/${file.path} imports ${specifier}: ${file.room} may not see ${room}`);
    }
  }
});

test("pure rooms are pure", () => {
  for (const file of files) {
    const allowed = PURE[file.room];
    if (allowed === undefined) continue;
    for (const specifier of file.imports.filter((one) => !one.startsWith("."))) {
      assert.ok(allowed.includes(specifier), `src/${file.path} imports ${specifier}: ${file.room} is pure`);
    }
    const code = file.text.replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, "");
    const impure = IMPURE.exec(code)?.[0];
    assert.equal(impure, undefined, `src/${file.path} uses ${impure}: ${file.room} is pure`);
  }
});

test("a file opens by saying what it is, and is not long", () => {
  for (const file of files) {
    assert.ok(/^(#!.*\n)?\/\*\*/.test(file.text), `src/${file.path} does not open with what it is`);
    const lines = file.text.split("\n").length - 1;
    assert.ok(lines <= 350, `src/${file.path} has ${lines} lines: does it still have one job?`);
  }
});
