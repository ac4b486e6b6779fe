/**
 * What builds and runs the image without an engine: buildah, and a base image of our own, because no registry is asked.
 * The base stands in for node:24-bookworm-slim: Debian's minimal system, Node from its npm package, npm beside it.
 * buildah's storage lies in .cache/image, apart from the machine's own.
 */
import { cpSync, existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { debianMirror } from "./debian.mjs";
import { alone, cache, isRoot, Missing, run, say, tail, which } from "./lib.mjs";

const home = join(cache, "image");
const RELEASE = "bookworm";
const NODE = "24";

export const baseImage = `localhost/node:${NODE}-${RELEASE}-slim`;

/** Words in front of every buildah command: a storage of the project's own. */
export const storage = ["--root", join(home, "store"), "--runroot", join(home, "run"), "--storage-driver", "overlay"];

export function buildah(args, options) {
  return run("buildah", [...storage, ...args], options);
}

const needed = { buildah: "buildah", debootstrap: "debootstrap", unshare: "util-linux" };

async function setUpPrograms() {
  if (!isRoot) throw new Missing("The image is built in a chroot: run this as root.");
  const missing = () => Object.keys(needed).filter((name) => !which(name));
  if (missing().length === 0) return;
  if (which("apt-get")) {
    const packages = missing().map((name) => needed[name]);
    say(`installing Debian's ${packages.join(", ")}`);
    const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
    await run("apt-get", ["update", "-q"], { env });
    await run("apt-get", ["install", "-q", "-y", "--no-install-recommends", ...packages], { env });
  }
  if (missing().length > 0)
    throw new Missing(`The image cannot be built without ${missing().join(", ")}: install them.`);
}

async function must(what, result) {
  const { code, output } = await result;
  if (code !== 0) throw new Missing(`${what} failed:\n${tail(output, 15)}`);
  return output.trim();
}

/** npm as this machine is set up, for the build inside the base: which registry, and whom to trust. */
async function npmSettings(target) {
  const get = async (name) =>
    (await must("npm config", run("npm", ["config", "get", name], { cwd: home }))).split("\n").at(-1);
  const lines = [`registry=${await get("registry")}`, "fund=false", "audit=false"];
  const authorities = await get("cafile");
  if (existsSync(authorities)) {
    cpSync(authorities, join(target, "etc", "build-authorities.pem"));
    lines.push("cafile=/etc/build-authorities.pem");
  }
  mkdirSync(join(target, "usr", "local", "etc"), { recursive: true });
  writeFileSync(join(target, "usr", "local", "etc", "npmrc"), `${lines.join("\n")}\n`);
}

async function makeBase() {
  const mirror = debianMirror();
  if (!mirror)
    throw new Missing("The base image is made with debootstrap from the machine's Debian mirror; there is none.");
  const place = join(home, "base");
  const root = join(place, "rootfs");
  rmSync(place, { recursive: true, force: true });
  mkdirSync(root, { recursive: true });
  say(`making a base image of Debian ${RELEASE} with Node ${NODE} (a minute)`);
  const bootstrap = ["--variant=minbase", ...(mirror.signedBy ? [`--keyring=${mirror.signedBy}`] : []), RELEASE, root];
  await must("debootstrap", run("debootstrap", [...bootstrap, mirror.uri]));
  const packages = join(place, "npm");
  mkdirSync(packages);
  writeFileSync(join(packages, "package.json"), "{}\n");
  // The package's own script puts the program for this machine where it is looked for.
  await must(
    "npm install node",
    run("npm", ["install", "--foreground-scripts", `node@${NODE}`, "npm@11"], { cwd: packages }),
  );
  const program = readdirSync(join(packages, "node_modules", "node", "node_modules"), { withFileTypes: true })
    .map((entry) => join(entry.parentPath, entry.name, "bin", "node"))
    .concat(join(packages, "node_modules", "node", "bin", "node"))
    .find((path) => existsSync(path));
  if (!program) throw new Missing("the npm package node has no program for this machine");
  const local = join(root, "usr", "local");
  cpSync(program, join(local, "bin", "node"));
  cpSync(join(packages, "node_modules", "npm"), join(local, "lib", "node_modules", "npm"), { recursive: true });
  for (const name of ["npm", "npx"]) {
    writeFileSync(
      join(local, "bin", name),
      `#!/usr/local/bin/node\nrequire("../lib/node_modules/npm/bin/${name}-cli.js");\n`,
      {
        mode: 0o755,
      },
    );
  }
  await npmSettings(root);
  for (const dir of ["var/cache/apt", "var/lib/apt/lists"]) rmSync(join(root, dir), { recursive: true, force: true });
  writeFileSync(
    join(place, "Dockerfile"),
    "FROM scratch\nCOPY rootfs /\nENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n",
  );
  await must("buildah bud", buildah(["bud", "--isolation", "chroot", "--format", "docker", "-t", baseImage, place]));
  rmSync(place, { recursive: true, force: true });
}

/** buildah and the base image. Throws Missing when they cannot be had. */
export async function setUpImage() {
  await setUpPrograms();
  const there = async () => (await buildah(["inspect", "--type", "image", baseImage])).code === 0;
  if (await there()) return;
  await alone("image-base", async () => {
    if (!(await there())) await makeBase();
  });
}
