// One build of an agent in JavaScript or TypeScript, run by `insula build` in the agent's folder with that project's tools.
//
// Standard error has what the tools say, untouched. The last line of standard output says what went in.

import { mkdirSync, renameSync, writeFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";

const job = JSON.parse(process.argv.at(-1));
const folder = process.cwd();
const bundle = join(job.work, "agent.js");

/** One module of the agent and all that it imports, but for the host's functions. */
async function bundled() {
  const { build } = await import("esbuild");
  const path = JSON.stringify(`./${job.entry}`);
  const mistake = JSON.stringify(`${job.entry} has no agent: write \`export default agent((request) => ...)\``);
  const contents = [
    `import agent from ${path};`,
    `if (typeof agent?.invoke !== "function") throw new TypeError(${mistake});`,
    `export const handler = agent;`,
  ];
  const made = await build({
    stdin: { contents: contents.join("\n"), resolveDir: folder, sourcefile: "insula-entry.js" },
    bundle: true,
    format: "esm",
    platform: "neutral",
    target: "es2022",
    mainFields: ["module", "main"],
    conditions: [`insula-${job.engine}`, "module"],
    external: ["insula:*"],
    outfile: bundle,
    sourcemap: "external",
    metafile: true,
    write: false,
    absWorkingDir: folder,
    logLevel: "warning",
  });
  const output = (ending) => made.outputFiles.find((file) => file.path.endsWith(ending)).text;
  const inputs = Object.keys(made.metafile.inputs).filter((name) => name !== "insula-entry.js");
  return { code: output("agent.js"), map: JSON.parse(output("agent.js.map")), inputs: inputs.map((name) => resolve(folder, name)) };
}

const DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/** For each line of the bundle the source and the line that it is from: what a stack trace is shown with. */
function lines(map) {
  const found = [];
  let [source, line] = [0, 0];
  map.mappings.split(";").forEach((row, at) => {
    let first = true;
    for (const segment of row.split(",").filter(Boolean)) {
      const fields = [];
      let [value, shift] = [0, 0];
      for (const character of segment) {
        const digit = DIGITS.indexOf(character);
        value += (digit & 31) << shift;
        shift += 5;
        if (digit & 32) continue;
        fields.push(value & 1 ? -(value >> 1) : value >> 1);
        [value, shift] = [0, 0];
      }
      if (fields.length < 4) continue;
      source += fields[1];
      line += fields[2];
      if (first) found.push([at + 1, source, line + 1]);
      first = false;
    }
  });
  return found;
}

/** Code that puts the author's own files and lines in place of the bundle's in a stack. */
function tracing({ map }) {
  const sources = map.sources.map((name) => relative(folder, resolve(dirname(bundle), name)));
  const original = (stack, table, names) =>
    stack.replace(/(?:[\w./-]*\/)?agent\.js:(\d+)(?::\d+)?/g, (whole, number) => {
      let found = null;
      for (const row of table) {
        if (row[0] > Number(number)) break;
        found = row;
      }
      return found ? `${names[found[1]]}:${found[2] + (Number(number) - found[0])}` : whole;
    });
  const data = `${JSON.stringify(lines(map))}, ${JSON.stringify(sources.map(short))}`;
  return `\nglobalThis.__insula_original = (stack) => (${original})(stack, ${data});\n`;
}

/** A file of a package is named as it is imported. */
function short(path) {
  return path.replace(/^.*(?:^|\/)node_modules\//, "").replace(/^.*\/sdk\/javascript\//, "insula-sdk/");
}

async function component(code) {
  if (job.engine === "quickjs") {
    const { componentize } = await import("componentize-qjs");
    return (await componentize({ witPath: job.wit, jsSource: code, jsPath: bundle, world: "agent", sync: true })).component;
  }
  const { componentize } = await import("@bytecodealliance/componentize-js");
  return (await componentize({ sourcePath: bundle, witPath: job.wit, worldName: "agent", disableFeatures: ["http", "fetch-event"] })).component;
}

/** What an engine says of a module that it cannot begin with, without the stack of the engine's own wrapper. */
function fail(error) {
  process.stderr.write(`${error.stack && !/componentize|esbuild/i.test(error.stack) ? error.stack : error.message}\n`);
  process.exit(1);
}

try {
  const made = await bundled();
  mkdirSync(job.work, { recursive: true });
  writeFileSync(bundle, made.code + tracing(made));
  const bytes = await component(made.code + tracing(made));
  writeFileSync(join(job.work, "agent.wasm"), bytes);
  renameSync(join(job.work, "agent.wasm"), job.component);
  process.stdout.write(`\n${JSON.stringify({ inputs: made.inputs })}\n`);
} catch (error) {
  // esbuild has said what is wrong already.
  if (Array.isArray(error.errors) && error.errors.length > 0) process.exit(1);
  fail(error);
}
