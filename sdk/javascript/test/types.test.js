import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { digest } from "../scripts/types.mjs";

test("the types are those of the contract: else run `npm run types`", () => {
  const head = readFileSync(new URL("../src/wit.d.ts", import.meta.url), "utf8").split("\n", 2);
  assert.equal(head[1], `// wit: sha256:${digest()}`);
});
