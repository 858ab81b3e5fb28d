// Runs Didit's own MCP server, unchanged, against a sandbox and checks what its tools report.
//
//   SANDBOX_URL=http://127.0.0.1:8477 node run.js
//
// DIDIT_AUTH_BASE_URL and DIDIT_API_BASE_URL are the two bases of the client's own configuration; they
// default to the paths of the sandbox.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { createRequire } from "node:module";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";

const sandbox = required("SANDBOX_URL").replace(/\/$/, "");
const bases = {
  DIDIT_AUTH_BASE_URL: process.env.DIDIT_AUTH_BASE_URL ?? `${sandbox}/auth/v2`,
  DIDIT_API_BASE_URL: process.env.DIDIT_API_BASE_URL ?? `${sandbox}/v3`,
};
const server = createRequire(import.meta.url).resolve("@didit-protocol/mcp-server");

function required(name) {
  const value = process.env[name];
  if (!value) throw new Error(`set ${name}`);
  return value;
}

/** Starts the client with an API key, or without one; hands `use` a function that calls its tools. */
async function withClient(apiKey, use) {
  const env = { PATH: process.env.PATH, ...bases };
  if (process.env.NODE_EXTRA_CA_CERTS) env.NODE_EXTRA_CA_CERTS = process.env.NODE_EXTRA_CA_CERTS;
  if (apiKey) env.DIDIT_API_KEY = apiKey;
  const transport = new StdioClientTransport({ command: process.execPath, args: [server], env, stderr: "ignore" });
  const client = new Client({ name: "keywright-conformance", version: "0.0.0" });
  await client.connect(transport);
  try {
    return await use(async (tool, args = {}) => {
      const result = await client.callTool({ name: tool, arguments: args });
      const text = result.content[0].text;
      if (result.isError) throw new Error(text);
      return JSON.parse(text);
    });
  } finally {
    await client.close();
  }
}

async function mailedCode(email) {
  const response = await fetch(`${sandbox}/_sandbox/mailbox/${encodeURIComponent(email)}`);
  assert.equal(response.status, 200);
  const mails = await response.json();
  return { code: mails.at(-1).code, count: mails.length };
}

let steps = 0;
async function step(name, run) {
  try {
    const result = await run();
    steps += 1;
    console.log(`ok ${steps} - ${name}`);
    return result;
  } catch (error) {
    console.log(`not ok ${steps + 1} - ${name}`);
    throw error;
  }
}

const email = `ops-${randomUUID()}@corp.example.net`;
const password = "Corr3ct!horse";
const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

const account = await withClient(null, async (call) => {
  await step("a weak password is refused", () =>
    assert.rejects(call("didit_register", { email, password: "weak" }), /Didit API 400 .*password/));
  await step("register", async () => {
    const reply = await call("didit_register", { email, password });
    assert.equal(reply.email, email);
    assert.equal(typeof reply.message, "string");
  });
  await step("register again mails a fresh code", async () => {
    const first = await mailedCode(email);
    await call("didit_register", { email, password });
    assert.equal((await mailedCode(email)).count, first.count + 1);
  });
  await step("resend by e-mail alone", async () => {
    const first = await mailedCode(email);
    await call("didit_resend_otp", { email });
    assert.equal((await mailedCode(email)).count, first.count + 1);
  });
  await step("a wrong code is refused", () =>
    assert.rejects(call("didit_verify_email", { email, code: "______" }), /Didit API 400 /));
  const verified = await step("verify", async () => {
    const reply = await call("didit_verify_email", { email, code: (await mailedCode(email)).code });
    assert.equal(reply.expires_in, 86400);
    assert.match(reply.organization.uuid, uuid);
    assert.equal(reply.organization.name, email.split("@")[0]);
    assert.equal(reply.application.name, reply.organization.name);
    assert.match(reply.application.api_key, /^sk_live_[A-Za-z0-9_-]{43}$/);
    assert.match(reply.application.client_id, /^[A-Za-z0-9_-]{22}$/);
    return reply;
  });
  await step("a wrong password is refused", () =>
    assert.rejects(call("didit_login", { email, password: "Wr0ng!horse" }), /Didit API 401 /));
  const token = await step("login", async () => {
    const reply = await call("didit_login", { email, password });
    assert.equal(reply.expires_in, 86400);
    assert.equal(reply.access_token.split(".").length, 3);
    assert.notEqual(reply.access_token, verified.access_token);
    return reply.access_token;
  });
  const organization = await step("list organizations", async () => {
    const reply = await call("didit_list_organizations", { access_token: token });
    assert.equal(reply.length, 1);
    assert.equal(reply[0].uuid, verified.organization.uuid);
    assert.equal(reply[0].contact_email, email);
    return reply[0].uuid;
  });
  await step("a junk token is refused", () =>
    assert.rejects(call("didit_list_organizations", { access_token: "junk" }), /Didit API 40[13] /));
  const scope = { access_token: token, organization_id: organization };
  const application = await step("list applications", async () => {
    const reply = await call("didit_list_applications", scope);
    assert.deepEqual(reply.map((found) => found.uuid), [verified.application.uuid]);
    return reply[0].uuid;
  });
  await step("get application", async () => {
    const reply = await call("didit_get_application", { ...scope, application_id: application });
    assert.equal(reply.api_key, verified.application.api_key);
    assert.equal(reply.client_id, verified.application.client_id);
    assert.deepEqual(reply.redirect_uris, []);
    assert.equal(reply.data_location, "eu");
  });
  await step("an unknown application is not found", () =>
    assert.rejects(call("didit_get_application", { ...scope, application_id: randomUUID() }), /Didit API 404 /));
  await step("balance without a key is refused", () =>
    assert.rejects(call("didit_get_balance"), /Didit API 403 /));
  return verified.application;
});

await withClient("sk_live_wrong", (call) =>
  step("balance with a wrong key is refused", () => assert.rejects(call("didit_get_balance"), /Didit API 401 /)));

await withClient(account.api_key, async (call) => {
  await step("balance", async () => assert.match((await call("didit_get_balance")).balance, /^\d+\.\d+$/));
  await step("no destinations at first", async () =>
    assert.deepEqual(await call("didit_list_webhook_destinations"), []));
  const wanted = {
    label: "cluster-a",
    url: "https://hooks.corp.example.net/didit",
    webhook_version: "v3",
    subscribed_events: ["status.updated", "data.updated"],
  };
  const made = await step("create destination", async () => {
    const reply = await call("didit_create_webhook_destination", wanted);
    assert.match(reply.uuid, uuid);
    assert.equal(reply.enabled, true);
    assert.deepEqual(reply.subscribed_events, wanted.subscribed_events);
    assert.match(reply.secret_shared_key, /^[A-Za-z0-9_-]{43}$/);
    return reply;
  });
  const one = { destination_uuid: made.uuid };
  await step("the same URL twice is refused", () =>
    assert.rejects(call("didit_create_webhook_destination", wanted), /Didit API 400 .*url/));
  await step("a private URL is refused", () =>
    assert.rejects(call("didit_create_webhook_destination", { ...wanted, url: "https://10.0.0.1/" }), /Didit API 400 /));
  await step("list shows it without the secret", async () => {
    const reply = await call("didit_list_webhook_destinations");
    assert.equal(reply.length, 1);
    assert.equal(reply[0].secret_shared_key, undefined);
    assert.equal(reply[0].secret_last4, made.secret_shared_key.slice(-4));
  });
  await step("get destination shows the secret", async () => {
    const reply = await call("didit_get_webhook_destination", one);
    assert.equal(reply.secret_shared_key, made.secret_shared_key);
  });
  await step("update destination", async () => {
    const change = { label: "cluster-b", enabled: false, subscribed_events: ["activity.created"] };
    const reply = await call("didit_update_webhook_destination", { ...one, ...change });
    assert.equal(reply.label, "cluster-b");
    assert.equal(reply.enabled, false);
    assert.equal(reply.url, wanted.url);
    assert.deepEqual(reply.subscribed_events, ["activity.created"]);
    assert.equal(reply.secret_shared_key, made.secret_shared_key);
  });
  await step("delete destination", async () =>
    assert.deepEqual(await call("didit_delete_webhook_destination", one), { success: true }));
  await step("a deleted destination is not found", () =>
    assert.rejects(call("didit_delete_webhook_destination", one), /Didit API 404 .*Webhook destination not found/));
});

console.log(`1..${steps}`);
