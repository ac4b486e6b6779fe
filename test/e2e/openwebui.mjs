// Open WebUI as it is shipped: starting a replica, and its HTTP interface as the browser uses it.

import { randomBytes } from "node:crypto";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { MODEL } from "./model.mjs";
import { freePort, start, temporaryDirectory, until } from "./processes.mjs";

/** Calls of the language model that a browser's chat causes besides the answer; none of them is wanted here. */
const SIDE_TASKS = [
  "TITLE_GENERATION",
  "TAGS_GENERATION",
  "FOLLOW_UP_GENERATION",
  "AUTOCOMPLETE_GENERATION",
  "RETRIEVAL_QUERY_GENERATION",
  "SEARCH_QUERY_GENERATION",
  "CODE_INTERPRETER",
];

/**
 * The settings that all replicas of one fleet share. Nothing in them needs a network.
 *
 * @param {{ postgresUrl: string, modelUrl: string }} where
 */
export function fleetSettings({ postgresUrl, modelUrl }) {
  return {
    WEBUI_SECRET_KEY: randomBytes(16).toString("hex"),
    DATABASE_URL: postgresUrl,
    WEBUI_AUTH: "true",
    ENABLE_SIGNUP: "true",
    FROM_INIT_PY: "true",
    ENV: "prod",
    OFFLINE_MODE: "true",
    HF_HUB_OFFLINE: "1",
    ENABLE_VERSION_UPDATE_CHECK: "false",
    ANONYMIZED_TELEMETRY: "false",
    ENABLE_WEBSOCKET_SUPPORT: "true",
    WEBSOCKET_MANAGER: "redis",
    CORS_ALLOW_ORIGIN: "*",
    BYPASS_MODEL_ACCESS_CONTROL: "true",
    ENABLE_OLLAMA_API: "false",
    OPENAI_API_BASE_URL: modelUrl,
    OPENAI_API_BASE_URLS: modelUrl,
    OPENAI_API_KEY: "none",
    OPENAI_API_KEYS: "none",
    RAG_EMBEDDING_ENGINE: "openai",
    RAG_OPENAI_API_BASE_URL: modelUrl,
    RAG_OPENAI_API_KEY: "none",
    ...Object.fromEntries(SIDE_TASKS.map((task) => [`ENABLE_${task}`, "false"])),
  };
}

/**
 * Starts one replica and waits for its /health. The first replica of a fleet migrates the database, so the second
 * may only be started after it.
 *
 * @param {object} options name, python (interpreter of the release), settings, redisUrl (REDIS_URL),
 *   websocketRedisUrl, logs
 * @returns {Promise<Replica>}
 */
export async function startReplica({ name, python, settings, redisUrl, websocketRedisUrl, logs }) {
  const home = await temporaryDirectory(name);
  const port = await freePort();
  await mkdir(join(home, "data"));
  const server = start({
    name,
    command: python,
    args: ["-m", "uvicorn", "open_webui.main:app", "--host", "127.0.0.1", "--port", String(port), "--workers", "1"],
    cwd: home,
    env: {
      PATH: process.env.PATH,
      HOME: home,
      LANG: "C.UTF-8",
      // One thread for numeric libraries: two replicas share a small machine.
      OMP_NUM_THREADS: "1",
      ...settings,
      DATA_DIR: join(home, "data"),
      REDIS_URL: redisUrl,
      WEBSOCKET_REDIS_URL: websocketRedisUrl,
    },
    logFile: join(logs, `${name}.log`),
  });
  const url = `http://127.0.0.1:${port}`;
  const healthy = () => fetch(`${url}/health`).then((response) => response.ok);
  await until(`${name}'s /health`, healthy, { timeoutMs: 300_000, everyMs: 250, process: server });
  return new Replica(name, url, server);
}

/** One running replica and its HTTP interface; `token` is the user's, once known. */
class Replica {
  constructor(name, url, server) {
    this.name = name;
    this.url = url;
    this.pid = server.pid;
    this.token = undefined;
    this.stop = server.stop;
  }

  async request(method, path, body) {
    const headers = { "content-type": "application/json" };
    if (this.token) headers.authorization = `Bearer ${this.token}`;
    const response = await fetch(`${this.url}${path}`, { method, headers, body: body && JSON.stringify(body) });
    const text = await response.text();
    if (!response.ok) throw new Error(`${this.name}: ${method} ${path} gave ${response.status}: ${text.slice(0, 500)}`);
    return JSON.parse(text);
  }

  /** Signs the fleet's first user up. Resolves to { id, token }. */
  signUp() {
    const account = { name: "E2E", email: "e2e@example.org", password: randomBytes(12).toString("hex") };
    return this.request("POST", "/api/v1/auths/signup", { ...account, profile_image_url: "/user.png" });
  }

  /** Loads the list of models, as a browser does on its first page. Resolves to their ids. */
  async models() {
    return (await this.request("GET", "/api/models")).data.map((model) => model.id);
  }

  /** Saves a chat that holds the user's message and an empty answer. Resolves to the chat's id. */
  async newChat({ prompt, userMessage, answerMessage }) {
    const user = {
      id: userMessage,
      parentId: null,
      childrenIds: [answerMessage],
      role: "user",
      content: prompt,
      timestamp: 1,
    };
    const answer = {
      id: answerMessage,
      parentId: userMessage,
      childrenIds: [],
      role: "assistant",
      content: "",
      model: MODEL,
      modelName: MODEL,
      modelIdx: 0,
      done: false,
      timestamp: 1,
    };
    const history = { messages: { [userMessage]: user, [answerMessage]: answer }, currentId: answerMessage };
    const chat = {
      id: "",
      title: "E2E",
      models: [MODEL],
      params: {},
      history,
      messages: [user, answer],
      tags: [],
      timestamp: 1,
    };
    return (await this.request("POST", "/api/v1/chats/new", { chat })).id;
  }

  /** Asks for the answer; it comes over Socket.IO. Resolves when the server has taken the request. */
  complete({ prompt, chatId, userMessage, answerMessage, sessionId }) {
    const message = { id: userMessage, parentId: null, childrenIds: [answerMessage], role: "user", content: prompt };
    return this.request("POST", "/api/chat/completions", {
      stream: true,
      model: MODEL,
      messages: [{ role: "user", content: prompt }],
      params: {},
      features: {},
      variables: {},
      session_id: sessionId,
      chat_id: chatId,
      id: answerMessage,
      parent_id: userMessage,
      user_message: { ...message, timestamp: 1, models: [MODEL] },
      background_tasks: {},
      stream_options: { include_usage: true },
    });
  }

  /** Has the server emit an event of our own for a message, behind all that it emitted for it before. */
  fence({ chatId, answerMessage, label }) {
    const path = `/api/v1/chats/${chatId}/messages/${answerMessage}/event`;
    return this.request("POST", path, { type: "e2e:fence", data: { label } });
  }

  /** The text of an answer as the database has it. */
  async savedText({ chatId, answerMessage }) {
    const { chat } = await this.request("GET", `/api/v1/chats/${chatId}`);
    return chat.history.messages[answerMessage].content;
  }
}
