/**
 * The static dictionary with which whole frames are deflated: what Socket.IO frames of Open WebUI have in common.
 *
 * A whole frame is sent once per stream, and most of a first frame is envelope: with this text known on both sides,
 * what remains is mostly its random ids. The dictionary is part of the protocol version: one changed byte makes
 * another protocol (`~kf2~`), so the spec holds its bytes and a test compares them. Order matters: deflate pays more
 * bits for what stands farther from the end, so the rarest stands first.
 */

/** Rare: message bodies of Node servers (msgpack of @socket.io/redis-adapter) and non-emit messages. */
const NODE =
  "\x93\xa6\x83\xa4type\x02\xa4data\x92\xa7message\xa5event\xa2id\x00\xa3nsp\xa1/" +
  "\x83\xa5rooms\x91\xa6except\x90\xa5flags\x80\x83\xa5rooms\x90\xa6except\xc0\xa5flags\x81\xa8volatile\xc3\xa9broadcast\xc3";

/** Open WebUI event types and the keys of their bodies, apart from the answer's own. */
const EVENTS =
  `{"method": "disconnect", "sid": "{"method": "leave_room", "sid": "{"method": "enter_room", "sid": "{"method": "close_room", "room": "` +
  `{"method": "callback", "host_id": "", "sid": "", "namespace": "/", "id": 1, "args": [` +
  `"event": "channel-events", "event": "user-list", "channel_id": "", "user_ids": [` +
  `"type": "notification", "data": {"type": "success", "content": "` +
  `"type": "chat:message:follow_ups", "data": {"follow_ups": ["` +
  `"type": "chat:message:error", "data": {"error": {"content": "` +
  `"type": "chat:message:files", "data": {"files": [{"type": "image", "url": "/api/v1/files/` +
  `"type": "chat:message:delta", "data": {"content": "` +
  `"type": "chat:title", "data": "` +
  `"type": "chat:tags", "data": ["` +
  `"type": "chat:tasks:cancel"}` +
  `"type": "chat:presence", "data": {"users": [{"id": "", "name": "` +
  `"type": "embeds", "data": {"embeds": ["` +
  `"type": "execute:tool", "data": {"id": "", "name": "", "params": {}, "server": {"session_id": "` +
  `"type": "source", "data": {"source": {"id": "", "name": "", "type": "file", "url": "https://www.` +
  `"type": "citation", "data": {"document": ["` +
  `"metadata": [{"source": "", "name": "", "file_id": "", "start_index": 0, "embedding_config": {"engine": "openai", "model": "` +
  `"distances": [0.` +
  `"sources": [{"source": {"type": "file", "file": {"id": "", "user_id": "", "hash": "", "filename": "", "data": {"content": "` +
  `"meta": {"name": "", "content_type": "application/pdf", "size": ` +
  `"created_at": , "updated_at": ` +
  `"type": "status", "data": {"action": "knowledge_search", "query": "", "description": "", "done": false, "hidden": true, "error": false` +
  `"action": "web_search", "description": "Searched {{count}} sites", "urls": ["https://", "items": [{"title": "", "link": "` +
  `"action": "sources_retrieved", "count": 1, "done": true` +
  `"type": "chat:outlet", "data": {"messages": [{"id": "", "role": "user", "content": "", "info": null, "timestamp": 17` +
  `}, {"id": "", "role": "assistant", "content": "", "info": {"usage": {"prompt_tokens": ` +
  `"type": "chat:messages", "data": {"messages": {"": {"id": "", "parentId": null, "childrenIds": [""], "role": "user", "content": "", ` +
  `"timestamp": , "models": [""], "user_id": "", "user": {"id": "", "name": "` +
  `"}}, "": {"parentId": "", "id": "", "childrenIds": [], "role": "assistant", "content": "", "model": "", "modelName": "", "modelIdx": null, ` +
  `"timestamp": , "user_id": "", "done": false}}, "currentId": "` +
  `"type": "chat:list", "data": {"chat_id": "", "folder_id": null}}}], "binary": false`;

/** What an answer is made of: reasoning and tool blocks, output items, response events, usage. */
const ANSWER =
  `<details type=\\"code_interpreter\\" done=\\"false\\" output=\\"\\">\\n<summary>Analyzing...</summary>\\n\`\`\`python\\n` +
  `<details type=\\"reasoning\\" done=\\"false\\">\\n<summary>Thinking\\u2026</summary>\\n&gt; \\n</details>\\n` +
  `<details type=\\"reasoning\\" done=\\"true\\" duration=\\"1\\">\\n<summary>Thought for 1 seconds</summary>\\n&gt; ` +
  `<details type=\\"tool_calls\\" done=\\"false\\" id=\\"call_\\" name=\\"\\" arguments=\\"&quot;{\\\\&quot;\\\\&quot;: \\\\&quot;` +
  `&quot;\\">\\n<summary>Executing...</summary>\\n</details>"` +
  `\\" files=\\"\\" embeds=\\"&quot;&quot;\\">\\n<summary>Tool Executed</summary>\\n&quot;` +
  `{"type": "reasoning", "id": "r_", "status": "completed", "start_tag": "<think>", "end_tag": "</think>", "attributes": {"type": "reasoning_content"}, ` +
  `"summary": null, "started_at": 17, "ended_at": 17, "duration": 1, "content": [{"type": "output_text", "text": "` +
  `"type": "response.created", "response": {"id": "resp_", "object": "response", "created_at": 17, "status": "in_progress", "output": []` +
  `"type": "response.completed", "response": {"type": "response.in_progress", "response": {` +
  `"type": "response.reasoning_summary_text.delta", "item_id": "rs_", "output_index": 0, "summary_index": 0, "delta": "` +
  `"type": "response.reasoning_text.delta", "item_id": "r_` +
  `"type": "response.function_call_arguments.delta", "item_id": "fc_", "output_index": 1, "delta": "` +
  `"type": "response.function_call_arguments.done", "arguments": "` +
  `"type": "response.content_part.added", "part": {"type": "output_text", "text": "", "annotations": [], "logprobs": []` +
  `"type": "response.output_item.added", "output_index": 0, "item": {"type": "response.output_item.done", "output_index": 0, "item": {` +
  `{"type": "function_call", "id": "call_", "call_id": "call_", "name": "", "arguments": "{\\"\\": \\"\\"}", "status": "in_progress"}` +
  `{"type": "function_call_output", "id": "fco_", "call_id": "call_", "output": [{"type": "input_text", "text": "` +
  `"delta": {"tool_calls": [{"index": 0, "id": "call_", "type": "function", "function": {"name": "", "arguments": ""}}]}, "logprobs": null, "finish_reason": null}]` +
  `"finish_reason": "tool_calls"}]` +
  `"selected_model_id": "", "error": {"detail": "` +
  `"prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0}, "completion_tokens_details": {"reasoning_tokens": 0, ` +
  `"input_tokens_details": {"cached_tokens": 0}, "output_tokens_details": {"reasoning_tokens": 0}, ` +
  `"response_token/s": 1, "prompt_token/s": 1, "total_duration": 1, "load_duration": 1, "prompt_eval_count": 1, "prompt_eval_duration": 1, ` +
  `"eval_count": 1, "eval_duration": 1, "approximate_total": "0h0m0s"` +
  `, "output": [{"type": "message", "status": "in_progress", "role": "assistant", "content": [{"type": "text", "text": "` +
  `"}], "id": "msg_` +
  `"output": [{"type": "message", "id": "msg_", "status": "in_progress", "role": "assistant", "content": [{"type": "output_text", "text": "` +
  `"data": {"done": true, "content": "", "output": [{"type": "message", "id": "msg_", "status": "completed", "role": "assistant", ` +
  `"content": [{"type": "output_text", "text": "` +
  `"}]}], "title": "New Chat", "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 1, "input_tokens": 1, "output_tokens": 1}}}}], "binary": false` +
  `"data": {"type": "chat:completion", "data": {"output": []}}}], "binary": false`;

/** The envelope of every frame and the first frames of every answer. */
const ENVELOPE =
  `{"method": "emit", "event": "events", "data": [{"chat_id": "local:` +
  `", "message_id": "", "user_id": "", "shared": true, "data": {"type": "chat:active", "data": {"active": true, "folder_id": null}}}], "binary": false, "namespace": "/", ` +
  `"room": "chat:", "skip_sid": "` +
  `", "data": {"type": "chat:active", "data": {"active": false}}}], "binary": false, ` +
  `", "data": {"type": "response:completion", "data": {"type": "response.output_text.delta", "item_id": "msg_", "output_index": 0, "content_index": 0, "delta": "` +
  `"}}}], "binary": false, "namespace": "/", "room": "user:` +
  `", "message_id": "", "data": {"type": "chat:completion", "data": {"usage": {"prompt_tokens": 1` +
  `, "data": {"type": "response:completion", "data": {"id": "chatcmpl-` +
  `{"method": "emit", "event": "events", "data": [{"chat_id": "", "message_id": "", "data": {"type": "chat:completion", "data": {"id": "chatcmpl-` +
  `", "object": "chat.completion.chunk", "created": 17, "model": "", "system_fingerprint": "fp_", ` +
  `"choices": [{"index": 0, "delta": {}, "logprobs": null, "finish_reason": "stop"}]}}}], "binary": false` +
  `", "model": "gpt-4", "choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}, "logprobs": null, "finish_reason": null}]}}}], "binary": false, ` +
  `"namespace": "/", "room": "user:", "skip_sid": null, "callback": null, "host_id": "` +
  `", "message_id": "", "data": {"type": "chat:completion", "data": {"content": "` +
  `"}}}], "binary": false, "namespace": "/", "room": "user:", "skip_sid": null, "callback": null, "host_id": "` +
  `{"method": "emit", "event": "events", "data": [{"chat_id": "`;

/** The same shapes as Python's pickle protocol 4 writes them (0.6.34 and before); \x94 stores each string in the memo. */
const PICKLE =
  "\x8c\x05usage\x94}\x94(\x8c\rprompt_tokens\x94K\x01\x8c\x11completion_tokens\x94M\x01\x01\x8c\x0ctotal_tokens\x94M\x01\x01usuu" +
  "\x8c\tnamespace\x94\x8c\x0bchat:active\x94h\x05}\x94\x8c\x06active\x94\x88suu\x8c\x06status\x94" +
  "\x8c\x04done\x94\x88\x8c\x07content\x94X\x01\x01\x00\x00\x94\x8c\x05title\x94\x8c\x08New Chat\x94uuu\x8c\tnamespace\x94\x8c\x01/\x94" +
  "h\x05}\x94\x8c\x07content\x94\x8c\x01\x94suu\x8c\tnamespace\x94\x8c\x01/\x94\x8c\x04room\x94" +
  "\x80\x04\x95\x01\x01\x00\x00\x00\x00\x00\x00}\x94(\x8c\x06method\x94\x8c\x04emit\x94\x8c\x05event\x94\x8c\x06events\x94\x8c\x04data\x94" +
  "}\x94(\x8c\x07chat_id\x94\x8c$\x94\x8c\nmessage_id\x94\x8c$\x94h\x05}\x94(\x8c\x04type\x94\x8c\x0fchat:completion\x94h\x05}\x94(" +
  "\x8c\x02id\x94\x8c\x11chatcmpl-\x94\x8c\x06object\x94\x8c\x15chat.completion.chunk\x94\x8c\x07created\x94J\x00\x00\x00k\x8c\x05model\x94\x8c" +
  "\x94\x8c\x07choices\x94]\x94}\x94(\x8c\x05index\x94K\x00\x8c\x05delta\x94}\x94(\x8c\x04role\x94\x8c\tassistant\x94\x8c\x07content\x94\x8c\x00\x94u" +
  "\x8c\x08logprobs\x94N\x8c\rfinish_reason\x94Nuauuu\x8c\tnamespace\x94\x8c\x01/\x94\x8c\x04room\x94\x8c\x14" +
  "\x94\x8c\x08skip_sid\x94N\x8c\x08callback\x94N\x8c\x07host_id\x94\x8c \x94u.";

/** As Open WebUI 0.12 and later write JSON: without the space after a colon or comma between tokens. */
function compact(json: string): string {
  return json
    .replaceAll('": ', '":')
    .replaceAll('", "', '","')
    .replaceAll(/([\]}el0-9]), (["{])/g, "$1,$2");
}

/** Built once. Latin-1: each character is one byte. Never written to. */
export const DICTIONARY: Buffer = Buffer.from(
  NODE + PICKLE + compact(EVENTS) + EVENTS + compact(ANSWER) + ANSWER + ENVELOPE + compact(ENVELOPE),
  "latin1",
);
