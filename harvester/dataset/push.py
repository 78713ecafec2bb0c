"""Upload a data set's folder to the Hugging Face Hub, if the archive's rights are stated."""

from __future__ import annotations

import re

from ..archive.profile import ArchiveProfile
from ..errors import ArchiveError, UsageError
from ..formatting import plain_line
from ..model.invocation import install_line
from .options import Dataset, ExportOptions
from .rights import origin_of

_REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}")


def check_push(repository: str, options: ExportOptions, profile: ArchiveProfile | None) -> None:
    """Raise UsageError if the folder could not be uploaded, before it is made.

    repository: ``OWNER/NAME``.
    """
    if not options.is_folder:
        raise UsageError(f"--push {repository}: a folder is uploaded, not a file; give DIR/ instead of {options.file}")
    if not _REPOSITORY.fullmatch(repository):
        raise UsageError(f"--push {repository!r}: the name of a repository is expected, like OWNER/NAME")
    try:
        from huggingface_hub import get_token
    except ImportError:
        raise UsageError(f"--push needs huggingface-hub: {install_line('specharvest[hub]')}") from None
    _require_rights(repository, profile)
    if not get_token():
        raise UsageError(f"--push {repository}: no token of the Hugging Face Hub; log in with `hf auth login`")


def push(dataset: Dataset, repository: str, private: bool) -> str:
    """Upload the folder as one commit and return its address.

    UsageError if the Hub refuses it, ArchiveError if it cannot be reached.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, HTTPError

    _require_rights(repository, dataset.profile)
    hub = HfApi()
    try:
        hub.create_repo(repository, repo_type="dataset", private=private, exist_ok=True)
        done = hub.upload_folder(
            repo_id=repository,
            repo_type="dataset",
            folder_path=dataset.options.file,
            commit_message=f"Export {dataset.summary()}",
            delete_patterns=["data/*", "spectra*/*"],  # of an earlier export
        )
    except HfHubHTTPError as error:
        words = plain_line(error.server_message or str(error), 300)
        refused = error.response.status_code in range(400, 500)
        raise (UsageError if refused else ArchiveError)(
            f"--push {repository}: {dataset.options.file}/ is written, but not uploaded; the Hub says: {words}"
        ) from None
    except (HTTPError, OSError) as error:
        raise ArchiveError(
            f"--push {repository}: {dataset.options.file}/ is written, but not uploaded; the Hub cannot be reached "
            f"({type(error).__name__}: {plain_line(str(error), 300)})"
        ) from None
    return str(done.commit_url)


def _require_rights(repository: str, profile: ArchiveProfile | None) -> None:
    origin = origin_of(profile)
    if not (origin.rights or origin.rights_uri):
        named = f"the profile {profile.name}" if profile else "the ledger"
        raise UsageError(
            f"--push {repository}: {named} does not state the rights of the data ([origin] rights or rights_uri); ask "
            "the archive's operators, and give a profile with their answer, --archive FILE.toml"
        )
