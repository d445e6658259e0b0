"""All targets: a contributor adds one to the list of its theme, or a module with a list here."""

from __future__ import annotations

from fuzz import audio, conf, corpora, directories, lexicons, packed, pretrained, streams
from fuzz.target import Target

TARGETS: dict[str, Target] = {
    target.name: target
    for module in (directories, corpora, audio, lexicons, conf, packed, pretrained, streams)
    for target in module.TARGETS
}
