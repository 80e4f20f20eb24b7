// The client against a tiny server that gives recorded answers.
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { readFile } from "node:fs/promises";
import { after, before, test } from "node:test";

import typescript from "typescript";

import { FeedApiError, FeedClient } from "../dist/index.js";

const recorded = JSON.parse(await readFile(new URL("./recorded.json", import.meta.url)));
const asked = [];
let answer;
let server;
let baseUrl;

before(async () => {
  server = createServer(async (request, response) => {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    asked.push({ method: request.method, url: request.url, headers: request.headers, body: Buffer.concat(chunks).toString() });
    response.writeHead(answer.status, { "Content-Type": "application/json", ...answer.headers });
    response.end(answer.text ?? JSON.stringify(answer.body));
  });
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  baseUrl = `http://127.0.0.1:${server.address().port}`;
});
after(() => server.close());

test("a feed is read with the token in the header", async () => {
  answer = { status: 200, body: recorded.feed };
  const feed = await new FeedClient({ baseUrl, token: "t0ken" }).feed({ maxPosts: 3, filterType: "image" });
  assert.deepEqual(feed, recorded.feed);
  const last = asked.at(-1);
  assert.equal(last.url, "/v1/integrations/instagram/feed?maxPosts=3&filterType=image");
  assert.equal(last.headers.authorization, "Bearer t0ken");
});

test("a refresh sends the CSRF token and the idempotency key", async () => {
  answer = { status: 200, body: recorded.feed };
  const client = new FeedClient({ baseUrl, csrfToken: () => "csrf" });
  const result = await client.refresh({ instanceId: "wgt_1" }, "once");
  assert.equal(result.blocked, false);
  const last = asked.at(-1);
  assert.equal(last.headers["x-csrftoken"], "csrf");
  assert.equal(last.headers["idempotency-key"], "once");
  assert.deepEqual(JSON.parse(last.body), { instanceId: "wgt_1" });
});

test("a refusal is a result", async () => {
  answer = { status: 409, body: recorded.blocked };
  const result = await new FeedClient({ baseUrl }).refresh({ instanceId: "wgt_1" });
  const { reasonCode, message, nextRefreshAllowedAt, upgradeHint } = recorded.blocked;
  assert.deepEqual(result, { blocked: true, reasonCode, message, nextRefreshAllowedAt, upgradeHint });
});

test("every other failure is thrown, with its body and when to try again", async () => {
  answer = { status: 429, body: recorded.error, headers: { "Retry-After": "7" } };
  await assert.rejects(new FeedClient({ baseUrl }).feed(), (error) => {
    assert.ok(error instanceof FeedApiError);
    assert.deepEqual([error.status, error.body, error.retryAfterSeconds], [429, recorded.error, 7]);
    return true;
  });
  answer = { status: 502, text: "<h1>Bad gateway</h1>" };
  await assert.rejects(new FeedClient({ baseUrl }).feed(), (error) => error.status === 502 && error.body === undefined);
});

test("disconnect and the way to Meta", async () => {
  answer = { status: 200, body: { status: "disconnected" } };
  const client = new FeedClient({ baseUrl });
  await client.disconnect("wgt_1");
  assert.equal(asked.at(-1).url, "/v1/integrations/instagram/disconnect");
  const url = client.connectUrl({ instanceId: "wgt_1", login: "facebook" });
  assert.equal(url, `${baseUrl}/v1/integrations/instagram/connect?instanceId=wgt_1&login=facebook`);
});

test("the README's fetch asks only for what has changed", async () => {
  const readme = await readFile(new URL("../README.md", import.meta.url), "utf8");
  const [example] = readme.match(/^const kept = .*?^};$/ms);
  const { outputText } = typescript.transpileModule(`${example}\nexport { cachingFetch };`, { compilerOptions: { module: "esnext", target: "es2022" } });
  const { cachingFetch } = await import(`data:text/javascript,${encodeURIComponent(outputText)}`);
  const client = new FeedClient({ baseUrl, token: "t0ken", fetch: cachingFetch });

  answer = { status: 200, body: recorded.feed, headers: { ETag: '"one"' } };
  await client.feed();
  assert.equal(asked.at(-1).headers["if-none-match"], undefined);
  answer = { status: 304, text: "", headers: { ETag: '"one"' } };
  assert.deepEqual(await client.feed(), recorded.feed);
  assert.equal(asked.at(-1).headers["if-none-match"], '"one"');
  assert.equal(asked.at(-1).headers.authorization, "Bearer t0ken");
  answer = { status: 200, body: { ...recorded.feed, posts: [] }, headers: { ETag: '"two"' } };
  assert.deepEqual((await client.feed()).posts, []);
  answer = { status: 200, body: recorded.feed };
  await new FeedClient({ baseUrl, token: "other", fetch: cachingFetch }).feed();
  assert.equal(asked.at(-1).headers["if-none-match"], undefined);
});
