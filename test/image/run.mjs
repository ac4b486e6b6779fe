/**
 * `npm run test:image`: builds the real image with buildah, looks at what is inside, and runs it read-only as its own
 * user: start, probes, a pass through a real server, the end on SIGTERM. Prints size, start time and memory; ends with
 * code 1 when something does not hold. Needs root on a Debian; what is missing is said, nothing is skipped.
 *
 *   node test/image/run.mjs [--compare] [--out FILE]     --compare: beside it the same program from node_modules
 */
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { cpus } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { endEverything, freePort, start, stopEverything, temporaryDirectory, until } from "../e2e/processes.mjs";
import { hadolint } from "../setup/deploy.mjs";
import { baseImage, buildah } from "../setup/image.mjs";
import { Missing, root, run, tail } from "../setup/lib.mjs";
import { serverBinaries } from "../setup/server.mjs";

/** The sidecar must listen this soon after its process was started. */
const START_LIMIT_MS = 300;
const STARTS = 12;
const SIZE_LIMIT_MIB = 150;

const tag = "localhost/keyframe:test";
const { values: chosen } = parseArgs({
  options: { out: { type: "string" }, compare: { type: "boolean", default: false } },
});
let failures = 0;

function check(sentence, holds, detail = "") {
  if (!holds) failures++;
  process.stdout.write(`${holds ? "ok" : "NOT OK"}  ${sentence}${detail === "" ? "" : `: ${detail}`}\n`);
}

async function must(what, result) {
  const { code, output } = await result;
  if (code !== 0) throw new Missing(`${what} failed:\n${tail(output, 25)}`);
  return output.trim();
}

async function build() {
  const args = ["bud", "--isolation", "chroot", "--pull-never", "--format", "docker", "--layers"];
  const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  const given = ["--build-arg", `NODE_IMAGE=${baseImage}`, "--build-arg", `VERSION=${version}`];
  await must("the build of the image", buildah([...args, ...given, "-t", tag, "."], { cwd: root }));
  return version;
}

/** The image as its configuration says: user, entry point, health check. */
async function checkConfiguration(version) {
  const { Docker } = JSON.parse(await must("buildah inspect", buildah(["inspect", "--type", "image", tag])));
  const { User, Entrypoint, Cmd, Healthcheck, WorkingDir, Labels, ExposedPorts } = Docker.config;
  check("the user is a number and not root", /^[1-9]\d*:[1-9]\d*$/.test(User), User);
  check(
    "what is started needs no shell",
    JSON.stringify([...Entrypoint, ...Cmd]) === '["node","dist/main.js","sidecar"]',
  );
  check("the health check needs no shell", Healthcheck?.Test?.[0] === "CMD", Healthcheck?.Test?.join(" "));
  check("compiled code is looked for where it lies", Docker.config.Env.includes("NODE_COMPILE_CACHE=/app/compiled"));
  check("the label names the version", Labels["org.opencontainers.image.version"] === version, version);
  check("the app's port is exposed", "6380/tcp" in ExposedPorts);
  return WorkingDir;
}

/** Every file of the image: path from its root, and what stat says. */
function filesOf(rootfs) {
  return readdirSync(rootfs, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .map((path) => ({ path: path.slice(rootfs.length), ...statSync(path) }));
}

function checkFiles(rootfs) {
  const files = filesOf(rootfs);
  const bytes = files.reduce((sum, { size }) => sum + size, 0);
  const executable = files.filter(({ mode, path }) => (mode & 0o111) !== 0 && !/\.so[.\d]*$/.test(path));
  const own = executable.map(({ path }) => path).sort();
  check(
    "node and the bundle are the only programs",
    own.join(" ") === "/app/dist/main.js /usr/local/bin/node",
    own.join(" "),
  );
  check(
    "no file is set-user-id or set-group-id",
    files.every(({ mode }) => (mode & 0o6000) === 0),
  );
  check(
    "the image's user can change no file",
    files.every(({ mode, uid }) => uid === 0 && (mode & 0o022) === 0),
  );
  const status = readdirSync(join(rootfs, "var/lib/dpkg/status.d"));
  check("scanners find the system's packages", status.includes("libc6"), status.join(", "));
  const sbom = JSON.parse(readFileSync(join(rootfs, "app/sbom.cdx.json"), "utf8"));
  check(
    "the list of npm packages is inside",
    sbom.components.some(({ name }) => name === "fastify"),
    `${sbom.components.length}`,
  );
  check("the licences of what is bundled are inside", statSync(join(rootfs, "app/THIRD-PARTY-LICENSES")).size > 10_000);
  const mib = bytes / 1024 / 1024;
  check(
    `it is smaller than ${SIZE_LIMIT_MIB} MiB`,
    mib < SIZE_LIMIT_MIB,
    `${mib.toFixed(1)} MiB in ${files.length} files`,
  );
  const app = files.filter(({ path }) => path.startsWith("/app/")).reduce((sum, { size }) => sum + size, 0);
  return { imageBytes: bytes, appBytes: app };
}

/** The process inside: unshare's only child. */
function childOf(pid) {
  const text = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim();
  return text === "" ? undefined : Number(text.split(" ")[0]);
}

/** How the image's sidecar is started, and the one of the build folder for --compare: [program, arguments]. */
const inImage = ({ rootfs, workingDir }) => [
  "unshare",
  ["--mount", "--propagation", "private", join(root, "test/image/enter.sh"), rootfs, workingDir, "/usr/local/bin/node"],
];
const unbundled = ({ rootfs }) => [join(rootfs, "usr/local/bin/node"), ["--enable-source-maps"]];

/** One sidecar. Resolves once it says where it listens, with what that took. */
async function sidecar(how, { upstream, logFile, name }) {
  let listening;
  const said = new Promise((resolve) => {
    listening = resolve;
  });
  const [command, args] = how;
  const handle = start({
    name,
    command,
    args: [...args, "dist/main.js", "sidecar"],
    cwd: root,
    env: {
      NODE_ENV: "production",
      PATH: process.env.PATH,
      // As the image's configuration has it; without the image the folder is not there, and nothing is cached.
      NODE_COMPILE_CACHE: command === "unshare" ? "/app/compiled" : undefined,
      NODE_OPTIONS: "--max-semi-space-size=2",
      MALLOC_ARENA_MAX: "1",
      KEYFRAME_UPSTREAM: upstream,
      KEYFRAME_LISTEN: "127.0.0.1:0",
      KEYFRAME_ADMIN: "127.0.0.1:0",
    },
    logFile,
    onLine(line) {
      if (!line.includes('"listening"')) return;
      const pid = command === "unshare" ? childOf(handle.pid) : handle.pid;
      listening({ ...readStart(pid), ...JSON.parse(line) });
    },
  });
  const ended = handle.exited.then((result) => {
    throw new Missing(`${name} ended with ${result} before it listened:\n${handle.tail()}`);
  });
  ended.catch(() => {});
  return { handle, ...(await Promise.race([said, ended])) };
}

/**
 * What a process has taken since its start, as the kernel says, to 10 ms: `ms` of time, `cpuMs` of CPU, and `waitedMs` for
 * which its main thread could have run and no core was free. That last part is the machine's load, not the program's.
 */
function readStart(pid) {
  const uptime = Number(readFileSync("/proc/uptime", "utf8").split(" ")[0]) * 1000;
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const waited = Number(readFileSync(`/proc/${pid}/task/${pid}/schedstat`, "utf8").split(" ")[1]) / 1e6;
  const ms = uptime - Number(fields[19]) * 10;
  return { pid, ms, waitedMs: waited, cpuMs: (Number(fields[11]) + Number(fields[12])) * 10 };
}

function status(pid, field) {
  return new RegExp(`^${field}:\\s+(.*)$`, "m").exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
}

/** One command over a raw connection; resolves to the first bytes of the answer. */
function ask(address, command) {
  const [host, port] = address.split(":");
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), host, () => socket.write(command));
    socket.setTimeout(10_000, () => socket.destroy(new Error(`no answer from ${address}`)));
    socket.once("data", (data) => {
      socket.destroy();
      resolve(data.toString());
    });
    socket.once("error", reject);
  });
}

async function startServer(place) {
  const { server, env } = serverBinaries();
  const port = await freePort();
  start({
    name: "server",
    command: server,
    args: ["--port", `${port}`, "--bind", "127.0.0.1", "--dir", place, "--save", "", "--appendonly", "no"],
    env,
    logFile: join(place, "server.log"),
  });
  await until("the server", () => ask(`127.0.0.1:${port}`, "PING\r\n"));
  return `redis://127.0.0.1:${port}/0`;
}

async function checkRunning(image, upstream, place) {
  const how = inImage(image);
  const one = await sidecar(how, { upstream, logFile: join(place, "first.log"), name: "the sidecar" });
  check("it runs as the image's user", status(one.pid, "Uid")?.startsWith("65532\t"), status(one.pid, "Uid"));
  check("it is process 1 of its container", status(one.pid, "NSpid")?.endsWith("\t1"), status(one.pid, "NSpid"));
  await until("readiness", async () => (await fetch(`http://${one.admin}/readyz`)).ok, { process: one.handle });
  check("/readyz says ready over a real server", true);
  check("a command of the app is answered", (await ask(one.listen, "PING\r\n")) === "+PONG\r\n");
  process.kill(one.pid, "SIGTERM");
  const result = await one.handle.exited;
  check("it drains on SIGTERM and ends with code 0", result === 0, `${result}`);
}

/** Starts each of the variants in turn, again and again. Resolves to the medians of each. */
async function measureStarts(variants, upstream, place) {
  const seen = Object.fromEntries(Object.keys(variants).map((name) => [name, []]));
  for (let index = 0; index < STARTS; index++) {
    for (const [name, how] of Object.entries(variants)) {
      const it = await sidecar(how, { upstream, logFile: join(place, `${name}.log`), name });
      await until("readiness", async () => (await fetch(`http://${it.admin}/readyz`)).ok, { process: it.handle });
      seen[name].push({ ...it, rss: Number.parseInt(status(it.pid, "VmRSS"), 10) / 1024 });
      process.kill(it.pid, "SIGTERM");
      await it.handle.exited;
    }
  }
  const entries = Object.entries(seen).map(([name, starts]) => {
    const median = (value) =>
      Number(
        starts
          .map(value)
          .sort((a, b) => a - b)
          [STARTS >> 1].toFixed(1),
      );
    return [
      name,
      {
        startMs: median(({ ms, waitedMs }) => ms - waitedMs),
        fastestMs: Math.round(Math.min(...starts.map(({ ms, waitedMs }) => ms - waitedMs))),
        startMsWithWaiting: median(({ ms }) => ms),
        startCpuMs: median(({ cpuMs }) => cpuMs),
        idleRssMiB: median(({ rss }) => rss),
      },
    ];
  });
  return Object.fromEntries(entries);
}

function showStarts(name, { fastestMs, startMs, startMsWithWaiting, startCpuMs, idleRssMiB }) {
  return `${name}: ${fastestMs} ms the fastest of ${STARTS}; medians: ${startMs} ms; with waiting for a core ${startMsWithWaiting} ms; ${startCpuMs} ms of CPU; ${idleRssMiB} MiB RSS`;
}

/** What buildah itself starts: the configuration's own user, directory and PATH, and the health check. */
async function checkHealth(container) {
  const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  const inside = (...words) => buildah(["run", "--isolation", "chroot", container, "--", ...words]);
  const named = await inside("node", "dist/main.js", "--version");
  check(
    "buildah runs it, and it names its version",
    named.code === 0 && named.output.trim() === version,
    named.output.trim(),
  );
  const port = await freePort();
  const dead = await inside("node", "dist/main.js", "healthcheck", "--admin", `127.0.0.1:${port}`);
  check("the health check fails where nothing runs", dead.code === 1, dead.output.trim());
  const traced = ["run", "--isolation", "chroot", "--env", "NODE_DEBUG_NATIVE=COMPILE_CACHE", container, "--"];
  const cached = await buildah([...traced, "node", "dist/main.js", "healthcheck", "--admin", `127.0.0.1:${port}`]);
  check("compiled code is used", /was accepted/.test(cached.output) && !/was rejected/.test(cached.output));
  // The largest part of the bundle, and the one that is loaded last: it must be there, and say what it lacks.
  const alone = await inside("node", "dist/main.js", "injector-certs", "--namespace=a", "--service=b", "--secret=c");
  check("a command outside a cluster fails in a sentence", alone.code === 1 && /^keyframe: .*$/m.test(alone.output));
  const shell = await inside("sh", "-c", "true");
  check("there is no shell to run", shell.code !== 0);
}

async function main() {
  check("hadolint has nothing to say", (await run(hadolint, [join(root, "Dockerfile")])).code === 0);
  const began = performance.now();
  const version = await build();
  process.stdout.write(`    built in ${((performance.now() - began) / 1000).toFixed(0)} s\n`);
  const workingDir = await checkConfiguration(version);
  const container = await must("buildah from", buildah(["from", "--pull-never", tag]));
  try {
    const rootfs = await must("buildah mount", buildah(["mount", container]));
    const size = checkFiles(rootfs);
    await checkHealth(container);
    // Where a container runtime puts its own file systems.
    for (const name of ["proc", "dev"]) await must("mkdir", run("mkdir", ["-p", join(rootfs, name)]));
    const place = await temporaryDirectory("image");
    const upstream = await startServer(place);
    const image = { rootfs, workingDir };
    await checkRunning(image, upstream, place);
    const variants = { image: inImage(image), ...(chosen.compare && { unbundled: unbundled(image) }) };
    const figures = await measureStarts(variants, upstream, place);
    // The fastest: what a start costs, not what the machine had to do beside it. The medians stand beside it.
    check(
      `it listens within ${START_LIMIT_MS} ms of its start`,
      figures.image.fastestMs < START_LIMIT_MS,
      showStarts("image", figures.image),
    );
    if (figures.unbundled) process.stdout.write(`    ${showStarts("from node_modules", figures.unbundled)}\n`);
    if (chosen.out) {
      const machine = { cpus: cpus().length, model: cpus()[0]?.model };
      writeFileSync(
        resolve(chosen.out),
        `${JSON.stringify({ machine, ...size, starts: STARTS, ...figures }, undefined, 2)}\n`,
      );
    }
  } finally {
    await stopEverything();
    await buildah(["rm", container]);
  }
  process.stdout.write(failures === 0 ? "image: all holds\n" : `image: ${failures} failed\n`);
  return failures === 0 ? 0 : 1;
}

process.on("exit", endEverything);
for (const [signal, code] of Object.entries({ SIGINT: 130, SIGTERM: 143, SIGHUP: 129 })) {
  process.once(signal, async () => {
    await stopEverything();
    process.exit(code);
  });
}
try {
  process.exitCode = await main();
} catch (error) {
  process.stderr.write(`\n${error instanceof Missing ? error.message : error.stack}\n`);
  process.exitCode = 1;
}
