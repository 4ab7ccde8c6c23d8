// Node's server and undici's client: five calls at once, their bodies spliced.
// Arguments: the longest it may run, in seconds; what it says before its address; its parts.
import http from "node:http";
import { Pool } from "undici";

const [life, listening, described] = process.argv.slice(2);
const PAGE = "/product-page/";

// As in the other servers, connections outlive the others' turns.
const parts = JSON.parse(described).map(([name, origin, path], n) => ({
  pool: new Pool(origin, { connections: null, keepAliveTimeout: 120_000 }),
  path,
  before: Buffer.from(`${n > 0 ? ',"' : '"'}${name}":{"status":"ok","data":`),
}));
const FIRST = Buffer.from('{"complete":true,"missing":[],"parts":{');
const CLOSE = Buffer.from("}");
const LAST = Buffer.from("}}");

async function call(part, id) {
  const { statusCode, body } = await part.pool.request({ method: "GET", path: part.path + id });
  const bytes = Buffer.from(await body.arrayBuffer());
  if (statusCode !== 200) throw new Error(`${part.path}${id} answered ${statusCode}`);
  return bytes;
}

async function answer(request, response) {
  if (!request.url.startsWith(PAGE)) return response.writeHead(404).end();
  const id = request.url.slice(PAGE.length);
  const bodies = await Promise.all(parts.map((part) => call(part, id)));
  const pieces = bodies.flatMap((body, n) => [parts[n].before, body, CLOSE]);
  const page = Buffer.concat([FIRST, ...pieces, LAST]);
  response.writeHead(200, { "content-type": "application/json", "content-length": page.length });
  response.end(page);
}

const server = http.createServer((request, response) => {
  answer(request, response).catch((error) => response.writeHead(502).end(String(error)));
});
server.keepAliveTimeout = 120_000;
server.listen({ host: "127.0.0.1", port: 0, backlog: 4096 }, () => {
  const { address, port } = server.address();
  process.stdout.write(`${listening}${address}:${port}\n`);
});
setTimeout(() => process.exit(0), life * 1000).unref();
process.stdin.on("end", () => process.exit(0)).resume();
