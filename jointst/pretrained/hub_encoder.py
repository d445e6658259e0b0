"""Encoders whose layers are those of the library transformers, made from the settings and weights of a hub's folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import torch
from packaging.version import Version
from torch import Tensor, nn
from typing_extensions import Self

from jointst.common.errors import DataError, EnvironmentFault
from jointst.pretrained.encoder import PretrainedEncoder
from jointst.pretrained.hub_folder import CONFIG, check_kind, fill, read_config, read_weights

MOST_LAYERS = 1000
"""Settings with more are damaged: to make them would have no end."""
OLD_NAMES = {
    ".conv.weight_g": ".conv.parametrizations.weight.original0",
    ".conv.weight_v": ".conv.parametrizations.weight.original1",
}
"""Ends of names that weights had before torch renamed those of its weight norm."""


def transformers_for(kind: str, least: str) -> ModuleType:
    """The library, of this version at least.

    Raises:
        EnvironmentFault: it is not installed, is older, or cannot be loaded.
    """
    wanted = f"model.audio_encoder.kind: {kind} needs the package transformers, {least} or later"
    fix = "run tools/install.sh --extra pretrained (or pip install 'jointst[pretrained]')"
    try:
        import transformers
    except ImportError as error:
        raise EnvironmentFault(f"{wanted}: {error} ({fix})") from None
    if Version(transformers.__version__) < Version(least):
        python = "the newest ones want Python 3.11 or later"
        raise EnvironmentFault(f"{wanted}: it is {transformers.__version__} ({fix}; {python})")
    found: ModuleType = transformers
    return found


class HubEncoder(PretrainedEncoder):
    """An encoder of transformers.

    Its layers are called one by one, so that nothing is masked or left out at random by other random numbers than ours,
    and padding never leaks in.

    Args:
        settings: of its ``config.json``.

    Attributes:
        model: the library's module, without the parts that are not called.
        library_settings: what its configuration was made from.
    """

    model_types: ClassVar[tuple[str, ...]]
    """What ``config.json`` may say it is."""
    library_class: ClassVar[str]
    """Of the library: ``...Model``; its configuration is ``...Config``."""
    prefixes: ClassVar[tuple[str, ...]]
    """Before the names of its weights, in models with a head and in bare ones."""
    least_version: ClassVar[str] = "5.20"
    """Of the library."""
    overruled: ClassVar[Mapping[str, Any]]
    """Settings that are not the file's."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        super().__init__()
        self._settings = dict(settings)
        library = transformers_for(self.kind, self.least_version)
        config_class = getattr(library, self.library_class.removesuffix("Model") + "Config")
        self.config = config_class(**{**self._sizes(settings), **self.overruled})
        self.model: Any = getattr(library, self.library_class)(self.config)
        _keep_constants(self.model)
        self.dim = int(self.config.hidden_size)

    @classmethod
    def _sizes(cls, settings: Mapping[str, Any]) -> dict[str, Any]:
        """The part of the settings that the encoder's configuration is made from."""
        return {name: value for name, value in settings.items() if name not in ("model_type", "architectures")}

    @property
    def settings(self) -> dict[str, Any]:
        """Those of its ``config.json``."""
        return self._settings

    @classmethod
    def without_weights(cls, folder: Path) -> Self:
        """The encoder that the settings in a folder tell of, with weights that mean nothing.

        Raises:
            DataError: they are of another kind, or tell of an encoder that cannot be.
            EnvironmentFault: transformers is not installed.
        """
        transformers_for(cls.kind, cls.least_version)
        settings = cls.read_settings(folder)
        told = cls._sizes(settings).get("num_hidden_layers", 0)
        if isinstance(told, int) and told > MOST_LAYERS:
            raise DataError(f"tells of {told} layers, more than any has", path=folder / CONFIG, fix=cls.fix())
        try:
            encoder = cls(settings)
            encoder.check()
        except DataError as error:
            raise DataError(error.problem, path=folder / CONFIG, fix=error.fix) from None
        except Exception as error:  # noqa: BLE001, the library has no base of what it raises on odd settings
            said = str(error).strip().splitlines() or [type(error).__name__]
            problem = f"tells of no {cls.kind} encoder that can be made: {said[-1].strip()}"
            raise DataError(problem, path=folder / CONFIG, fix=cls.fix()) from None
        return encoder

    @classmethod
    def read_settings(cls, folder: Path) -> dict[str, Any]:
        """``config.json`` of a folder, which must be of this kind."""
        settings = read_config(folder, cls.fix())
        check_kind(settings, cls.model_types, folder, cls.fix())
        return settings

    @classmethod
    def open(cls, folder: Path) -> Self:
        """See :meth:`PretrainedEncoder.open`; weights of a recogniser's head are left.

        Raises:
            EnvironmentFault: transformers is not installed.
        """
        with torch.device("meta"):
            encoder = cls.without_weights(folder)
        state = {_renamed(name): weight for name, weight in cls.read_weights(folder).items()}
        fill(encoder.model, state, folder, cls.fix())
        return encoder.eval()

    @classmethod
    def read_weights(cls, folder: Path) -> dict[str, Tensor]:
        """The weights of a folder, by their names in the library's class."""
        return read_weights(folder, cls.prefixes, cls.fix())

    @classmethod
    def fix(cls) -> str:
        """Which folder to name."""
        known = " or ".join(cls.model_types)
        return f"name the folder of a model whose config.json says model_type {known}, with its *.safetensors"

    def check(self) -> None:
        """See whether the encoder is one that this class can run.

        Raises:
            DataError: it is not.
        """

    def layers(self) -> list[nn.Module]:
        """Its transformer or conformer layers."""
        return list(self.model.encoder.layers)


def _renamed(name: str) -> str:
    for old, new in OLD_NAMES.items():
        if name.endswith(old):
            return name.removesuffix(old) + new
    return name


def _keep_constants(model: nn.Module) -> None:
    """Make constants, as tables of positions, anew where the model has no memory yet: no file of weights has them."""
    for module in model.modules():
        names: set[str] = module._non_persistent_buffers_set
        if any(getattr(module, name).is_meta for name in names):
            with torch.device("cpu"):
                own = type(module)(module.config if hasattr(module, "config") else model.config)
            for name in names:
                setattr(module, name, getattr(own, name))
