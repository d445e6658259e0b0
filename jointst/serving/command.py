"""``jointst serve``: a packed model for other programs and for a browser."""

from __future__ import annotations

import argparse
import importlib
import ipaddress
import os
from pathlib import Path
from typing import Any, NoReturn

from jointst.common.errors import ConfigError, EnvironmentFault, JointstError
from jointst.common.threads import available_cpus, set_threads
from jointst.config import DecodingConfig
from jointst.decoding.segmentation import SegmentationConfig

PACKAGES = ("limits", "prometheus_client", "python_multipart", "starlette", "uvicorn", "websockets")
LAST_PORT = 65535
WORKERS = 2
"""Threads that use the model: of files and of live streams; the cores are divided between them."""
LIMITS = ("upload_bytes", "audio_seconds", "stream_seconds", "wait", "queue", "streams", "grace")
"""Options that are settings of the server, by their names."""
BEAM = ("beam", "lm_weight", "ilm_weight", "label_bonus")


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise JointstError(f"{message} (jointst serve --help shows all options)")


def _parser() -> argparse.ArgumentParser:
    from jointst.serving.settings import TOKEN_VARIABLE, ServerSettings
    from jointst.serving.wishes import DECODERS, SEARCHES

    limits, cuts, search = ServerSettings(name="defaults"), SegmentationConfig(), DecodingConfig()
    parser = _Parser(
        prog="jointst serve",
        description="Serve a packed model: POST /v1/audio/transcriptions as OpenAI's clients do, live audio over the "
        "WebSocket /v1/audio/stream, a page at /, /v1/models, /healthz and /metrics.",
        epilog="It listens on this machine alone unless --host says otherwise; then choose a token, and give it a "
        "certificate: browsers record in pages of https or of localhost only. The first SIGTERM or Ctrl-C lets running "
        "requests end and refuses new ones, a second one stops it at once.",
    )
    add = parser.add_argument
    add("--model", default="exp/train/packed", metavar="DIR", help="the folder packed by stage 10 (%(default)s)")
    add("--name", help="what clients call the model (the name of its experiment)")
    add("--host", default="127.0.0.1", help="the address to listen at (%(default)s)")
    add("--port", type=int, default=8000, help="(%(default)s); 0 for any free one")
    add("--allow-host", action="append", default=[], metavar="NAME", help="a name under which it may be asked, again "
        "and again; by default any, or where it listens on this machine alone, this machine's")  # fmt: skip
    add("--token-file", metavar="FILE", help=f"a token that clients must send; or set {TOKEN_VARIABLE}")
    add("--certificate", metavar="FILE", help="for https")
    add("--key", metavar="FILE", help="of the certificate")
    add("--proxy", metavar="ADDRESS", help="of a proxy before it, whose X-Forwarded-For is believed")
    add("--decoder", choices=DECODERS, default=DECODERS[0], help="where a client names none (%(default)s)")
    add("--search", choices=SEARCHES, default=SEARCHES[0], help="where a client names none (%(default)s)")
    add("--beam", type=int, default=search.beam, help="hypotheses that a beam search keeps (%(default)s)")
    add("--lm", metavar="PATH", help="for a beam search: the folder made by jointst lm, or an ARPA or kenlm file")
    add("--lm-weight", type=float, default=search.lm_weight, help="of its log P (%(default)s)")
    add("--ilm-weight", type=float, default=search.ilm_weight, help="of the internal one, subtracted (%(default)s)")
    add("--label-bonus", type=float, default=search.label_bonus, help="for each label of a beam search (%(default)s)")
    add("--phrase-weight", type=float, help="of phrases without one (1 in greedy search, 0.5 in a beam)")
    add("--batch", type=int, default=8, help="segments of all clients searched together (%(default)s)")
    add("--chunk", type=int, help="positions of a chunk, for a model trained with training.dynamic_chunks")
    add("--max-segment", type=float, default=cuts.max_segment, help="longer audio is cut (%(default)s seconds)")
    add("--end-silence", type=float, default=cuts.end_silence, help="where it is cut (%(default)s seconds)")
    add("--upload-bytes", type=int, default=limits.upload_bytes, help="the largest upload (%(default)s)")
    add("--audio-seconds", type=float, default=limits.audio_seconds, help="the longest file (%(default)s)")
    add("--stream-seconds", type=float, default=limits.stream_seconds, help="the longest live stream (%(default)s)")
    add("--wait", type=float, default=limits.wait, help="seconds for an upload, or the next message (%(default)s)")
    add("--rate", default=limits.rate, help="requests and streams of one client (%(default)s), or none")
    add("--queue", type=int, default=limits.queue, help="requests served at once (%(default)s)")
    add("--streams", type=int, default=limits.streams, help="live streams open at once (%(default)s)")
    add("--grace", type=float, default=limits.grace, help="seconds to end what runs when it stops (%(default)s)")
    add("--ngpu", type=int, choices=(0, 1), default=0, help="1 for the GPU (%(default)s)")
    return parser


def run(arguments: list[str]) -> int:
    """Run the command until a signal stops it.

    Raises:
        JointstError: options that do not fit, no model, an address that is taken, or packages that are missing.
    """
    try:
        for name in PACKAGES:
            importlib.import_module(name)
    except ImportError as error:
        fix = "tools/install.sh --extra serve, or pip install 'jointst[serve]'"
        raise EnvironmentFault(f"the package {error.name} is missing: {fix}") from None
    options = _parser().parse_args(arguments)
    if not os.environ.get("OMP_NUM_THREADS"):
        set_threads(max(1, available_cpus() // WORKERS))
    else:
        set_threads(None)
    from jointst.serving.server import listen, serve

    if not 0 <= options.port <= LAST_PORT:
        raise ConfigError("port", f"is {options.port}", f"0 to {LAST_PORT}")
    if bool(options.certificate) != bool(options.key):
        raise JointstError("--certificate and --key belong together: give both, or none")
    for file in (options.certificate, options.key):
        if file is not None and not Path(file).is_file():
            raise JointstError(f"{file}: there is no such file of a certificate or key")
    service = _service(options)
    with listen(options.host, options.port) as bound:
        service.warm_up()
        scheme, (host, port) = "https" if options.certificate else "http", bound.getsockname()[:2]
        place = f"[{host}]" if ":" in host else host
        print(f"jointst serve: {options.name or service.settings.name} at {scheme}://{place}:{port}", flush=True)
        proxy: dict[str, Any] = {"proxy_headers": False}
        if options.proxy:
            proxy = {"proxy_headers": True, "forwarded_allow_ips": options.proxy}
        serve(service, bound, ssl_certfile=options.certificate, ssl_keyfile=options.key, **proxy)
    print("jointst serve: stopped", flush=True)
    return 0


def _service(options: argparse.Namespace) -> Any:
    from jointst.serving.searches import Searches
    from jointst.serving.service import Service
    from jointst.serving.settings import TOKEN_VARIABLE, ServerSettings, read_token
    from jointst.transcription.recogniser import Recogniser

    folder = Path(options.model)
    settings = ServerSettings(
        name=options.name or _experiment(folder),
        token=read_token(options.token_file, os.environ.get(TOKEN_VARIABLE)),
        hosts=_hosts(options.host, options.allow_host),
        rate=None if options.rate == "none" else options.rate,
        **{name: getattr(options, name) for name in LIMITS},
    )
    recogniser = Recogniser.load(
        folder,
        decoder=options.decoder,
        batch=options.batch,
        chunk=options.chunk,
        segmentation=SegmentationConfig(max_segment=options.max_segment, end_silence=options.end_silence),
        ngpu=options.ngpu,
    )
    searches = Searches(
        recogniser.trained,
        folder,
        lm=options.lm,
        beam={name: getattr(options, name) for name in BEAM},
        phrase_weight=options.phrase_weight,
    )
    return Service(recogniser, searches, options.search, settings)


def _experiment(folder: Path) -> str:
    """exp/NAME/packed is called NAME."""
    resolved = folder.resolve()
    return resolved.parent.name if resolved.name == "packed" else resolved.name


def _hosts(host: str, allowed: list[str]) -> tuple[str, ...]:
    """The names under which it may be asked: no page that gives this machine a name of its own is to reach it."""
    local = ("localhost", "127.0.0.1", "::1")
    try:
        inside = ipaddress.ip_address(host).is_loopback
    except ValueError:
        inside = host == "localhost"
    if not inside and not allowed:
        return ()
    return tuple(dict.fromkeys((*local, host.lower(), *(name.lower() for name in allowed))))
