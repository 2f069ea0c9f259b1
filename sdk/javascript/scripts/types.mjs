// Makes src/wit.d.ts from wit/: `npm run types`. test/types.test.js says when it is stale.
//
// jco generates the types; this puts them in one file, in the form in which the SDK gives values: 64-bit numbers are
// numbers, and what is not there is null.

import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const JCO = "@bytecodealliance/jco@1.15.0";
const folder = new URL("..", import.meta.url).pathname;
const wit = join(folder, "../../wit");

/** The digest of the contract, which the generated file names. */
export function digest() {
  const hash = createHash("sha256");
  for (const name of readdirSync(wit).sort()) {
    if (name.endsWith(".wit")) hash.update(name).update("\0").update(readFileSync(join(wit, name)));
  }
  return hash.digest("hex");
}

function generate() {
  const out = mkdtempSync(join(tmpdir(), "insula-types-"));
  try {
    execFileSync("npx", ["--yes", JCO, "guest-types", wit, "--world-name", "agent", "--out-dir", out, "--quiet"], { stdio: "inherit" });
    const files = readdirSync(join(out, "interfaces")).sort();
    const parts = files.map((name) => readFileSync(join(out, "interfaces", name), "utf8"));
    const head = `// Generated from wit/ by scripts/types.mjs; do not edit.\n// wit: sha256:${digest()}\n`;
    writeFileSync(join(folder, "src/wit.d.ts"), [head, ...parts.map(plain)].join("\n"));
  } finally {
    rmSync(out, { recursive: true });
  }
}

/** In the SDK's form. */
function plain(text) {
  return text
    .replace(/^\/\/\/ <reference .*\n/gm, "")
    .replace(/\bBigUint64Array\b/g, "Array<number>")
    .replace(/\bbigint\b/g, "number")
    .replace(/\| undefined\b/g, "| null")
    .replace(/^(\s+\w+)\?: (.*),$/gm, "$1: $2 | null,")
    .replace(/[ \t]+$/gm, "");
}

if (process.argv[1] === new URL(import.meta.url).pathname) generate();
