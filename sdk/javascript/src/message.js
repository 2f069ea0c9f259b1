// Requests and responses.

import { isBytes } from "./check.js";
import { AgentError } from "./error.js";
import { bytesOf, decode, encode, jsonOf, validUpTo } from "./text.js";

const TEXT = "text/plain; charset=utf-8";

/** One call of the agent. */
export class Request {
  constructor({ body, contentType, metadata = [], idempotencyKey = null }) {
    this.body = body;
    this.contentType = contentType;
    this.metadata = metadata;
    this.idempotencyKey = idempotencyKey ?? null;
  }

  /** The body as text. Throws `bad-request` where it is not UTF-8. */
  text() {
    const text = decode(this.body);
    if (text === null) throw AgentError.badRequest(`the body is not UTF-8 at byte ${validUpTo(this.body)}`);
    return text;
  }

  /** The body as JSON, whatever the content type says. Throws `bad-request` where it is not. */
  json() {
    const text = this.text();
    try {
      return JSON.parse(text);
    } catch (error) {
      throw AgentError.badRequest(`the body is not JSON: ${error.message}`);
    }
  }

  /** The first metadata value of this name, or `null`. Names are lower case. */
  meta(name) {
    const found = this.metadata.find(([known]) => known === name);
    return found ? found[1] : null;
  }
}

/** What the caller gets back. */
export class Response {
  constructor(body, { contentType, metadata = [] } = {}) {
    this.body = bytesOf("the body", body);
    this.contentType = contentType ?? (typeof body === "string" ? TEXT : "application/octet-stream");
    this.metadata = Array.isArray(metadata) ? metadata : Object.entries(metadata);
  }

  /** Plain text. */
  static text(body) {
    return new Response(String(body));
  }

  /** A value as JSON. */
  static json(value) {
    return new Response(encode(jsonOf("the answer", value)), { contentType: "application/json" });
  }

  /** Bytes with a content type. */
  static bytes(contentType, body) {
    return new Response(body, { contentType });
  }

  /** The same, with one more metadata value: an `Insula-Meta-NAME` response header. */
  withMetadata(name, value) {
    return new Response(this.body, { ...this, metadata: [...this.metadata, [name, String(value)]] });
  }

  /** The body as text; for tests. */
  text() {
    return decode(this.body);
  }

  /** The body as JSON; for tests. */
  json() {
    return JSON.parse(this.text());
  }

  /** The response that an author's answer stands for. */
  static of(answer) {
    if (answer instanceof Response) return answer;
    if (typeof answer === "string" || isBytes(answer)) return new Response(answer);
    if (typeof answer?.then === "function") {
      throw new TypeError("the agent answered with a promise: the host's functions answer at once, so take `async` away");
    }
    if (answer === undefined) {
      throw new TypeError("the agent answered with nothing: return a string, bytes, a value for JSON, or a Response");
    }
    return Response.json(answer);
  }
}
