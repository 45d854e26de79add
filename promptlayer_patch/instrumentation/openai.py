"""The methods of the openai library that ask a model for something; everything else is left alone.

An allowlist on purpose: among the hundred create methods of openai 3 are some that mint API keys.
"""

from __future__ import annotations

from promptlayer_patch._patching import Instrumentation, PatchPoint

OPENAI = Instrumentation(
    library="openai",
    client_module="openai._client",
    clients=("OpenAI", "AsyncOpenAI"),
    points=(
        PatchPoint("chat.completions", "Completions.create", "/chat/completions"),
        PatchPoint("chat.completions", "Completions.parse", "/chat/completions"),
        PatchPoint("chat.completions", "Completions.stream", "/chat/completions", helper=True),
        PatchPoint("beta.chat.completions", "Completions.parse", "/chat/completions"),
        PatchPoint("beta.chat.completions", "Completions.stream", "/chat/completions", helper=True),
        PatchPoint("responses", "Responses.create", "/responses"),
        PatchPoint("responses", "Responses.parse", "/responses"),
        PatchPoint("responses", "Responses.stream", "/responses", helper=True),
        PatchPoint("responses", "Responses.compact", "/responses/compact"),
        PatchPoint("beta.responses", "Responses.create", "/responses"),
        PatchPoint("beta.responses", "Responses.compact", "/responses/compact"),
        PatchPoint("completions", "Completions.create", "/completions"),
        PatchPoint("embeddings", "Embeddings.create", "/embeddings"),
        PatchPoint("moderations", "Moderations.create", "/moderations"),
        PatchPoint("decisions", "Decisions.create", "/decisions"),
        PatchPoint("images", "Images.generate", "/images/generations"),
        PatchPoint("images", "Images.edit", "/images/edits"),
        PatchPoint("images", "Images.create_variation", "/images/variations"),
        PatchPoint("audio.speech", "Speech.create", "/audio/speech"),
        PatchPoint("audio.transcriptions", "Transcriptions.create", "/audio/transcriptions"),
        PatchPoint("audio.translations", "Translations.create", "/audio/translations"),
        PatchPoint("videos", "Videos.create", "/videos"),
        PatchPoint("videos", "Videos.edit", "/videos/edits"),
        PatchPoint("videos", "Videos.extend", "/videos/extensions"),
        PatchPoint("videos", "Videos.remix", "/videos/{}/remix"),
        PatchPoint("batches", "Batches.create", "/batches"),
        PatchPoint("fine_tuning.jobs", "Jobs.create", "/fine_tuning/jobs"),
        PatchPoint("evals.runs", "Runs.create", "/evals/{}/runs"),
        PatchPoint("beta.threads", "Threads.create_and_run", "/threads/runs"),
        PatchPoint("beta.threads", "Threads.create_and_run_stream", "/threads/runs", helper=True),
        PatchPoint("beta.threads.runs", "Runs.create", "/threads/{}/runs"),
        PatchPoint("beta.threads.runs", "Runs.create_and_stream", "/threads/{}/runs", helper=True),
        PatchPoint("beta.threads.runs", "Runs.stream", "/threads/{}/runs", helper=True),
        PatchPoint(
            "beta.threads.runs", "Runs.submit_tool_outputs", "/threads/{}/runs/{}/submit_tool_outputs"
        ),
        PatchPoint(
            "beta.threads.runs",
            "Runs.submit_tool_outputs_stream",
            "/threads/{}/runs/{}/submit_tool_outputs",
            helper=True,
        ),
        PatchPoint("beta.agents.sessions", "Sessions.create", "/agents/sessions"),
        PatchPoint("beta.agents.sessions", "Sessions.stream", "/agents/sessions", helper=True),
        PatchPoint("beta.agents.sessions.events", "Events.create", "/agents/sessions/{}/events"),
        PatchPoint("beta.agents.sessions.events", "Events.stream", "/agents/sessions/{}/events", verb="get"),
    ),
)
