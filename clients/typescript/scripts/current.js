// Fails where what is committed is not what its sources make: the types (of openapi.json) and dist/.

import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const bin = (name) => join("node_modules", ".bin", name);
const made = mkdtempSync(join(tmpdir(), "client-"));

function assertSame(committed, found, remedy) {
  if (readFileSync(committed, "utf8") !== readFileSync(found, "utf8")) {
    console.error(`${committed} is out of date: ${remedy}`);
    process.exitCode = 1;
  }
}

try {
  const types = join(made, "openapi.ts");
  execFileSync(bin("openapi-typescript"), ["openapi.json", "--output", types], { stdio: "pipe" });
  assertSame("src/openapi.ts", types, "npm run generate");

  const dist = join(made, "dist");
  execFileSync(bin("tsc"), ["--project", "tsconfig.json", "--outDir", dist], { stdio: "inherit" });
  const files = readdirSync(dist).sort();
  if (files.join() !== readdirSync("dist").sort().join()) {
    console.error("dist has other files than its sources make: npm run build");
    process.exitCode = 1;
  } else {
    for (const file of files) assertSame(join("dist", file), join(dist, file), "npm run build");
  }
} finally {
  rmSync(made, { recursive: true });
}
