// Reads requests, and says what is wrong with them.

import { AgentError } from "insula-sdk";

import { plain } from "./words.js";

const ENTRIES_LIMIT = 100;
const QUESTION_LIMIT = 500;
const ANSWER_LIMIT = 8_000;
const TAGS_LIMIT = 20;
const ID = /^[a-z0-9][a-z0-9-]{0,62}$/;
const ACTS = ["put", "ask", "get", "delete", "list", "gaps"];

/** What a request asks for. Plain text is a question. */
export function readRequest(request) {
  if (request.contentType.startsWith("text/plain")) {
    return { act: "ask", question: text("the question", request.text().trim(), QUESTION_LIMIT), limit: 1 };
  }
  const body = request.json();
  const names = isObject(body) ? Object.keys(body) : [];
  if (names.length !== 1 || !ACTS.includes(names[0])) {
    throw AgentError.badRequest(`send one of ${ACTS.join(", ")}, as in {"ask": {"question": "..."}}, or a question as plain text`);
  }
  const [act] = names;
  return { act, ...READERS[act](body[act]) };
}

const READERS = {
  put(value) {
    const list = Array.isArray(value) ? value : [value];
    if (list.length < 1 || list.length > ENTRIES_LIMIT) {
      throw AgentError.badRequest(`put takes 1 to ${ENTRIES_LIMIT} entries, and has ${list.length}`);
    }
    const entries = list.map((entry, index) => readEntry(entry, list === value ? `put[${index}]` : "put"));
    const twice = entries.find(({ id }, index) => entries.findIndex((other) => other.id === id) !== index);
    if (twice) throw AgentError.badRequest(`put has two entries ${JSON.stringify(twice.id)}`);
    return { entries };
  },
  ask(value) {
    fields("ask", value, ["question", "limit"]);
    const limit = value.limit ?? 3;
    if (!Number.isInteger(limit) || limit < 1 || limit > 20) throw AgentError.badRequest("ask.limit must be 1 to 20");
    return { question: text("ask.question", value.question, QUESTION_LIMIT), limit };
  },
  get: (value) => readId("get", value),
  delete: (value) => readId("delete", value),
  list(value) {
    fields("list", value, ["after", "limit"]);
    const limit = value.limit ?? 50;
    if (!Number.isInteger(limit) || limit < 1 || limit > 200) throw AgentError.badRequest("list.limit must be 1 to 200");
    return { after: value.after == null ? null : text("list.after", value.after, 512), limit };
  },
  gaps(value) {
    fields("gaps", value, ["limit"]);
    const limit = value.limit ?? 20;
    if (!Number.isInteger(limit) || limit < 1 || limit > 100) throw AgentError.badRequest("gaps.limit must be 1 to 100");
    return { limit };
  },
};

function readEntry(entry, place) {
  fields(place, entry, ["id", "question", "answer", "tags"]);
  const question = text(`${place}.question`, entry.question, QUESTION_LIMIT);
  const answer = text(`${place}.answer`, entry.answer, ANSWER_LIMIT);
  const tags = entry.tags ?? [];
  if (!Array.isArray(tags) || tags.length > TAGS_LIMIT || !tags.every((tag) => typeof tag === "string")) {
    throw AgentError.badRequest(`${place}.tags must be a list of at most ${TAGS_LIMIT} strings`);
  }
  const id = entry.id ?? slug(question);
  if (typeof id !== "string" || !ID.test(id)) {
    throw AgentError.badRequest(`${place}.id must be lower case letters, digits and "-", at most 63 of them`);
  }
  return { id, question, answer, tags };
}

function readId(act, value) {
  fields(act, value, ["id"]);
  return { id: text(`${act}.id`, value.id, 63) };
}

function fields(place, value, known) {
  if (!isObject(value)) throw AgentError.badRequest(`${place} must be an object`);
  const unknown = Object.keys(value).find((name) => !known.includes(name));
  if (unknown) throw AgentError.badRequest(`${place} has no ${JSON.stringify(unknown)}: it has ${known.join(", ")}`);
}

function text(place, value, limit) {
  if (typeof value !== "string" || value.trim() === "") throw AgentError.badRequest(`${place} must be a text`);
  if (value.length > limit) throw AgentError.badRequest(`${place} has ${value.length} characters; ${limit} are allowed`);
  return value.trim();
}

/** An id that stays the same while the question does. */
function slug(question) {
  return plain(question).replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "").slice(0, 63).replace(/-$/, "") || "entry";
}

function isObject(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
