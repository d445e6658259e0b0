"""Rules about recordings: whether they can be read, and what is in them."""

from __future__ import annotations

import math
from collections.abc import Iterator

from jointst.common.units import Seconds
from jointst.data.rules.frame import Everything, Finding, Set, rule
from jointst.kaldi.recordings import Recording
from jointst.kaldi.sound.level import CANCEL_FIX, SCALE_FIX, SILENT_PEAK, cancel_problem, scale_problem

SHORTEST: Seconds = 0.1
"""Shorter audio gives a warning."""
CLIPPED_SHARE = 0.01
"""Audio with a larger share of samples at full scale gives a warning."""
OVERSHOT = 1.5
"""Decoders of clipped audio overshoot full scale by less; larger samples are floats that no clipping has touched."""
QUIET_PEAK = 0.003
"""Audio without a larger sample (50 dB below full scale) gives a warning."""


def _unusable(everything: Everything, fault: str, fix: str) -> Iterator[Finding]:
    for item in everything.sets:
        for key, found in item.recordings.items():
            if found.fault == fault:
                mend = f"{found.fix}, or remove the utterance" if found.fix else fix
                yield item.at("wav.scp", key, f"{item.entries('wav.scp')[key]}: {found.problem}", mend)


def _usable(everything: Everything) -> Iterator[tuple[Set, str, Recording]]:
    for item in everything.sets:
        for key, found in item.recordings.items():
            if not found.fault:
                yield item, key, found


@rule("audio-missing", "ERROR")
def audio_missing(everything: Everything) -> Iterator[Finding]:
    """Every audio file exists."""
    yield from _unusable(everything, "audio-missing", "restore the file, or remove the utterance")


@rule("audio-unreadable", "ERROR")
def audio_unreadable(everything: Everything) -> Iterator[Finding]:
    """Every recording can be read to its end."""
    yield from _unusable(everything, "audio-unreadable", "restore the file, or remove the utterance")


@rule("pipe", "ERROR")
def pipe(everything: Everything) -> Iterator[Finding]:
    """Every pipe is allowed (JOINTST_ALLOW_PIPES=1), ends with status 0 and gives audio."""
    yield from _unusable(everything, "pipe", "export JOINTST_ALLOW_PIPES=1 if you trust it, and run it by hand")


@rule("audio-empty", "ERROR")
def audio_empty(everything: Everything) -> Iterator[Finding]:
    """Every recording holds samples."""
    yield from _unusable(everything, "audio-empty", "restore the file, or remove the utterance")


@rule("audio-not-finite", "ERROR")
def audio_not_finite(everything: Everything) -> Iterator[Finding]:
    """Every sample is a finite number."""
    for item, key, found in _usable(everything):
        if not math.isfinite(found.peak):
            yield item.at("wav.scp", key, "holds samples that are not finite numbers", "make the file again")


@rule("audio-silent", "ERROR")
def audio_silent(everything: Everything) -> Iterator[Finding]:
    """No recording is digital silence, nor the mean of its channels, which is what is used."""
    for item, key, found in _usable(everything):
        cancelled = cancel_problem(found.channels, found.peak, found.channel_peak)
        if cancelled:
            yield item.at("wav.scp", key, cancelled, CANCEL_FIX)
        elif found.peak <= SILENT_PEAK:
            yield item.at("wav.scp", key, f"{found.seconds:.2f} s of silence", "restore it, or remove the utterance")


@rule("audio-quiet", "WARNING")
def audio_quiet(everything: Everything) -> Iterator[Finding]:
    """A recording that never comes near full scale is most often of a dead microphone."""
    for item, key, found in _usable(everything):
        cancelled = cancel_problem(found.channels, found.peak, found.channel_peak)
        if SILENT_PEAK < found.peak < QUIET_PEAK and not cancelled:
            message = f"its loudest sample is {20 * math.log10(found.peak):.0f} dB below full scale".replace("-", "")
            yield item.at("wav.scp", key, message, "listen to it")


@rule("audio-scale", "ERROR")
def audio_scale(everything: Everything) -> Iterator[Finding]:
    """Samples are in full scales, from -1 to 1, and not floats in the range of integers."""
    for item, key, found in _usable(everything):
        if problem := scale_problem(found.channel_peak):
            yield item.at("wav.scp", key, problem, SCALE_FIX)


@rule("audio-loud", "WARNING")
def audio_loud(everything: Everything) -> Iterator[Finding]:
    """Floats beyond full scale are not clipped, but louder than what the model hears elsewhere."""
    for item, key, found in _usable(everything):
        if OVERSHOT < found.channel_peak < math.inf and not scale_problem(found.channel_peak):
            message = f"its loudest sample is {found.channel_peak:.2f} times full scale"
            yield item.at("wav.scp", key, message, "scale it: sox --norm=-1 IN OUT.wav")


@rule("audio-clipped", "WARNING")
def audio_clipped(everything: Everything) -> Iterator[Finding]:
    """A recording with many samples at full scale is distorted."""
    for item, key, found in _usable(everything):
        if found.clipped > CLIPPED_SHARE and found.channel_peak <= OVERSHOT:
            message = f"{100 * found.clipped:.1f} % of its samples are at full scale: clipped"
            yield item.at("wav.scp", key, message, "record it with less gain, or remove it")


@rule("audio-short", "WARNING")
def audio_short(everything: Everything) -> Iterator[Finding]:
    """A recording that is shorter than any word was most often cut short."""
    for item, key, found in _usable(everything):
        if found.seconds < SHORTEST:
            yield item.at("wav.scp", key, f"only {found.seconds:.3f} s", "look whether it was cut short")


@rule("audio-rate", "WARNING")
def audio_rate(everything: Everything) -> Iterator[Finding]:
    """Audio has at least the rate of the features: what was never recorded cannot be made up by resampling."""
    wanted = everything.settings.features.sampling_rate
    for item, key, found in _usable(everything):
        if found.rate < wanted:
            message = f"its rate is {found.rate:g} Hz, the features are of {wanted:g} Hz: their upper bands stay empty"
            yield item.at("wav.scp", key, message, f"get the original, or set features.sampling_rate to {found.rate:g}")


@rule("audio-channels", "WARNING")
def audio_channels(everything: Everything) -> Iterator[Finding]:
    """Recordings have one channel; several are averaged, which mixes the sides of a conversation."""
    for item, key, found in _usable(everything):
        if found.channels != 1:
            yield item.at("wav.scp", key, f"has {found.channels} channels", "take one: sox in.wav out.wav remix 1")
