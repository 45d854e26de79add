"""What becomes of each method of openai, and why.

Captured is what the table of patch points names. Everything else is ignored for a reason that stands here: by
the name of the method where it leaves no doubt, one by one otherwise. What is neither fails the test.
"""

from __future__ import annotations

from dataclasses import dataclass

from promptlayer_patch.instrumentation.openai import OPENAI


@dataclass(frozen=True)
class Decision:
    captured: bool
    reason: str = ""


# These read or tidy up, whatever resource they belong to. No name under which a model could be asked belongs
# here.
IGNORED_ANYWHERE = {
    "list": "reads a list",
    "retrieve": "reads what is stored",
    "update": "changes what is stored",
    "delete": "deletes",
    "cancel": "stops what runs",
}

IGNORED = {
    "reads a stored response, which was recorded when it was created": """
        beta.responses.Responses.retrieve
        responses.Responses.retrieve
    """,
    "helper: reaches create and retrieve": """
        beta.threads.Threads.create_and_run_poll
        beta.threads.runs.Runs.create_and_poll
        beta.threads.runs.Runs.submit_tool_outputs_and_poll
        videos.Videos.create_and_poll
    """,
    "helper: reaches retrieve": """
        beta.threads.runs.Runs.poll
        files.Files.wait_for_processing
        videos.Videos.poll
    """,
    "helper for plain CRUD": """
        beta.agents.environments.files.Files.prepare
        beta.agents.environments.files.Files.prepare_directory
        beta.vector_stores.file_batches.FileBatches.create_and_poll
        beta.vector_stores.file_batches.FileBatches.poll
        beta.vector_stores.file_batches.FileBatches.upload_and_poll
        beta.vector_stores.files.Files.create_and_poll
        beta.vector_stores.files.Files.poll
        beta.vector_stores.files.Files.upload
        beta.vector_stores.files.Files.upload_and_poll
        uploads.Uploads.upload_file_chunked
        vector_stores.file_batches.FileBatches.create_and_poll
        vector_stores.file_batches.FileBatches.poll
        vector_stores.file_batches.FileBatches.upload_and_poll
        vector_stores.files.Files.create_and_poll
        vector_stores.files.Files.poll
        vector_stores.files.Files.upload
        vector_stores.files.Files.upload_and_poll
    """,
    "makes no request": """
        beta.agents.sessions.artifacts.Artifacts.for_result
        webhooks.Webhooks.unwrap
        webhooks.Webhooks.verify_signature
    """,
    "counts tokens, generates nothing": """
        beta.responses.input_tokens.InputTokens.count
        responses.input_tokens.InputTokens.count
    """,
    "searches, generates nothing": """
        vector_stores.VectorStores.search
    """,
    "examines a file, generates nothing": """
        content_provenance_checks.ContentProvenanceChecks.create
    """,
    "tries a grader on a sample of a training set": """
        fine_tuning.alpha.graders.Graders.run
        fine_tuning.alpha.graders.Graders.validate
    """,
    "websocket: what is said on it are messages, not requests": """
        beta.realtime.Realtime.connect
        beta.responses.Responses.connect
        live.Live.connect
        live.forks.Forks.connect
        live.sideband.Sideband.connect
        realtime.Realtime.connect
        realtime.translations.Translations.connect
        responses.Responses.connect
    """,
    "WebRTC: sets up or steers a connection, on which the media pass": """
        live.Live.create
        live.sessions.Sessions.accept
        live.sessions.Sessions.fork
        live.sessions.Sessions.hangup
        live.sessions.Sessions.refer
        live.sessions.Sessions.reject
        realtime.calls.Calls.accept
        realtime.calls.Calls.create
        realtime.calls.Calls.hangup
        realtime.calls.Calls.refer
        realtime.calls.Calls.reject
    """,
    "mints a secret": """
        beta.chatkit.sessions.Sessions.create
        beta.realtime.sessions.Sessions.create
        beta.realtime.transcription_sessions.TranscriptionSessions.create
        realtime.client_secrets.ClientSecrets.create
        realtime.translations.client_secrets.ClientSecrets.create
        webhooks.Webhooks.create
        webhooks.Webhooks.rotate_secret
    """,
    "plain CRUD: stores a secret": """
        beta.agents.vaults.Vaults.create
        beta.agents.vaults.credentials.Credentials.create
    """,
    "plain CRUD: hosted agents, whose sessions are recorded": """
        beta.agents.Agents.create
        beta.agents.automations.Automations.create
        beta.agents.automations.Automations.pause
        beta.agents.automations.Automations.resume
        beta.agents.automations.invocations.Invocations.create
        beta.agents.environments.Environments.create
        beta.agents.environments.files.Files.create
        beta.agents.environments.files.Files.upload
        beta.agents.environments.templates.Templates.create
        beta.agents.sessions.artifacts.Artifacts.content
    """,
    "plain CRUD: assistants, whose runs are recorded": """
        beta.assistants.Assistants.create
        beta.threads.Threads.create
        beta.threads.messages.Messages.create
    """,
    "plain CRUD: conversations": """
        beta.chatkit.threads.Threads.list_items
        conversations.Conversations.create
        conversations.items.Items.create
    """,
    "plain CRUD: evals, whose runs are recorded": """
        evals.Evals.create
    """,
    "plain CRUD: fine-tuning": """
        fine_tuning.checkpoints.permissions.Permissions.create
        fine_tuning.jobs.Jobs.list_events
        fine_tuning.jobs.Jobs.pause
        fine_tuning.jobs.Jobs.resume
    """,
    "plain CRUD: files": """
        containers.Containers.create
        containers.files.Files.create
        files.Files.content
        files.Files.create
        files.Files.retrieve_content
        skills.Skills.create
        skills.versions.Versions.create
        uploads.Uploads.complete
        uploads.Uploads.create
        uploads.parts.Parts.create
    """,
    "plain CRUD: vector stores": """
        beta.vector_stores.VectorStores.create
        beta.vector_stores.file_batches.FileBatches.create
        beta.vector_stores.file_batches.FileBatches.list_files
        beta.vector_stores.files.Files.create
        vector_stores.VectorStores.create
        vector_stores.file_batches.FileBatches.create
        vector_stores.file_batches.FileBatches.list_files
        vector_stores.files.Files.content
        vector_stores.files.Files.create
    """,
    "plain CRUD: recordings": """
        audio.voice_consents.VoiceConsents.create
        audio.voices.Voices.create
        live.sessions.Sessions.download_recording
        videos.Videos.create_character
        videos.Videos.download_content
        videos.Videos.get_character
    """,
    "sends a made-up event to a webhook": """
        webhooks.Webhooks.test
    """,
    "admin: mints a key": """
        admin.organization.admin_api_keys.AdminAPIKeys.create
        admin.organization.projects.service_accounts.ServiceAccounts.create
        admin.organization.projects.service_accounts.api_keys.APIKeys.create
    """,
    "admin: reads usage figures": """
        admin.organization.usage.Usage.audio_speeches
        admin.organization.usage.Usage.audio_transcriptions
        admin.organization.usage.Usage.code_interpreter_sessions
        admin.organization.usage.Usage.completions
        admin.organization.usage.Usage.costs
        admin.organization.usage.Usage.decisions
        admin.organization.usage.Usage.embeddings
        admin.organization.usage.Usage.file_search_calls
        admin.organization.usage.Usage.images
        admin.organization.usage.Usage.moderations
        admin.organization.usage.Usage.vector_stores
        admin.organization.usage.Usage.web_search_calls
    """,
    "admin: who may do what": """
        admin.organization.groups.Groups.create
        admin.organization.groups.roles.Roles.create
        admin.organization.groups.users.Users.create
        admin.organization.invites.Invites.create
        admin.organization.projects.Projects.archive
        admin.organization.projects.Projects.create
        admin.organization.projects.groups.Groups.create
        admin.organization.projects.groups.roles.Roles.create
        admin.organization.projects.roles.Roles.create
        admin.organization.projects.users.Users.create
        admin.organization.projects.users.roles.Roles.create
        admin.organization.roles.Roles.create
        admin.organization.users.roles.Roles.create
        admin.organization.workload_identity_providers.WorkloadIdentityProviders.create
        admin.organization.workload_identity_providers.federation_rules.FederationRules.create
    """,
    "admin: certificates, external keys and storage": """
        admin.organization.certificates.Certificates.activate
        admin.organization.certificates.Certificates.create
        admin.organization.certificates.Certificates.deactivate
        admin.organization.external_keys.ExternalKeys.create
        admin.organization.external_keys.ExternalKeys.validate
        admin.organization.external_storage.ExternalStorage.create
        admin.organization.external_storage.ExternalStorage.validate
        admin.organization.projects.certificates.Certificates.activate
        admin.organization.projects.certificates.Certificates.deactivate
    """,
    "admin: limits and alerts": """
        admin.organization.projects.rate_limits.RateLimits.list_rate_limits
        admin.organization.projects.rate_limits.RateLimits.update_rate_limit
        admin.organization.projects.spend_alerts.SpendAlerts.create
        admin.organization.spend_alerts.SpendAlerts.create
    """,
}

CAPTURED = frozenset(f"{point.resource}.{point.method}" for point in OPENAI.points)

REASONS = {name: reason for reason, names in IGNORED.items() for name in names.split()}


def decide(name: str) -> Decision | None:
    """What becomes of the method of this name; `None` if nobody has decided."""
    if name in CAPTURED:
        return Decision(captured=True)
    reason = REASONS.get(name) or IGNORED_ANYWHERE.get(name.rpartition(".")[2])
    return Decision(captured=False, reason=reason) if reason else None
