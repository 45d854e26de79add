// What a test has PromptLayer's JavaScript SDK do: `node steps.cjs STEP JSON` prints what came of it as JSON.
"use strict";

const { PromptLayer } = require("promptlayer");

const HELLO = [{ role: "user", content: "Where is my order?" }];
const MODEL = "gpt-4o-mini";

const steps = {
  async proxied(layer, options) {
    const OpenAI = layer.OpenAI;
    const answer = await new OpenAI().chat.completions.create({
      model: MODEL,
      messages: HELLO,
      return_pl_id: true,
      ...options,
    });
    return { response: answer[0], request_id: answer[1] };
  },

  async streamed(layer) {
    const OpenAI = layer.OpenAI;
    const stream = await new OpenAI().chat.completions.create({
      model: MODEL,
      messages: HELLO,
      stream: true,
      return_pl_id: true,
    });
    const seen = { text: "", request_id: null };
    let counted = null;
    for await (const [chunk, requestId] of stream) {
      // The last chunk comes a second time, with the id.
      if (chunk !== counted) seen.text += chunk.choices[0]?.delta?.content ?? "";
      counted = chunk;
      seen.request_id = requestId ?? seen.request_id;
    }
    return seen;
  },

  logged: (layer, body) => layer.logRequest(body),

  async tracked(layer, { request_id, prompt_name }) {
    const group_id = await layer.group.create();
    return {
      group_id,
      done: [
        await layer.track.score({ request_id, score: 95, name: "accuracy" }),
        await layer.track.metadata({ request_id, metadata: { user: "42" } }),
        await layer.track.group({ request_id, group_id }),
        await layer.track.prompt({ request_id, prompt_name, prompt_input_variables: { customer: "Ada" } }),
      ],
    };
  },

  published: (layer, body) => layer.templates.publish(body),
  fetched: (layer, { name, params }) => layer.templates.get(name, params),
  listed: (layer, params) => layer.templates.all(params),
  run: (layer, options) => layer.run(options),

  async streamedRun(layer, options) {
    let last = null;
    for await (const part of await layer.run({ ...options, stream: true })) last = part;
    return last;
  },

  async wrapped(layer, { name, question }) {
    const desk = layer.wrapWithSpan(name, async (asked) => `about ${asked}`);
    return await desk(question);
  },
};

async function main([step, given, tracing]) {
  const layer = new PromptLayer({ enableTracing: tracing === "tracing" });
  try {
    process.stdout.write(JSON.stringify({ value: (await steps[step](layer, JSON.parse(given))) ?? null }));
  } catch (error) {
    process.stdout.write(JSON.stringify({ error: error.constructor.name, message: String(error.message) }));
  }
}

main(process.argv.slice(2));
