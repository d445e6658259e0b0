"""Inputs that readers once failed on: each row a target, the input, and what happened. ``tools/fuzz.py`` prints rows.

Inputs that are too long for a row are files in the folder ``found``, and the row has the name of the file.
"""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parent / "found"

FOUND: list[tuple[str, bytes | str, str]] = [
    ("conf_keys", b"features: {speed_perturbation: " + b"[" * 2000, "RecursionError in conf_file.py:check_conf"),
    ("conf", b"features: {speed_perturbation: " + b"[" * 2000, "RecursionError in conf_file.py:check_conf"),
    ("grammar", b"", "TypeError in grammar.py:read_grammars"),
    ("grammar", b"en: 2001-99-99\n", "ValueError in grammar.py:read_grammars"),
    ("grammar", b"en: {classes: {}, templates: [], unheard: a, spoken: a}", "AttributeError in grammar.py:_parse"),
    ("phones", b"&\xff\x9b\x95t\x8d\x03", "UnicodeDecodeError in lexicon.py:read"),
    ("packed_phones", b"<pad> 0\xff\n", "UnicodeDecodeError in lexicon.py:read"),
    ("made_lexicons", b"[]", "AttributeError in lexicons.py:_made"),
    ("made_lexicons", b'{"en": "a"}', "AttributeError in lexicons.py:_made"),
    (
        "prompts",
        b"\x1f\x8b\x08\0\0\0\0\0\x02\x03\xb3VH\xcee\xcc\x81\xcf\xcdM\xcd/\x0e\xc2\x85 H\xcd\xc9",
        "error in prompts.py:read_prompts",
    ),
    (
        "sentences_gz",
        b"\x1f\x8b\x08\0\0\0\0\0\x02\x03\xb3VH\xcee\xcc\x81\xcf\xcdM\xcd/\x0e\xc2\x85 H\xcd\xc9",
        "error in spoken.py:read_lines",
    ),
    ("table_json", b'{"path": ' + b"[" * 100_000, "RecursionError in table.py:_read_json"),
    ("table_json", b"9" * 5000, "ValueError in table.py:_read_json"),
    ("common_voice", b"client_id\tpath\tsentence\na\tb.mp3\t" + b"x" * 140_000, "Error in common_voice.py:read_rows"),
    (
        "audio_ark",
        b"a \0BFV \x04\x02\0\0\x1bN\x90\0\0\0\0\0\0\0\0\0",
        "MemoryError in audio.py:_read_ark",
    ),
    (
        "packed_config",
        b"corpus:\n  sources: []\n  languages:\n  - en\n  downloads: downloads\n  most_left_out:",
        "TypeError in corpus.py:__post_init__",
    ),
    ("audio_w64", "audio_w64_93a8a81d.bin", "ValueError in chunks.py:w64"),
    ("audio_w64", "audio_w64_001ac25b.bin", "ValueError in containers.py:_next"),
    ("stream", "stream_967c59c2.bin", "MemoryError in live.py:_exactly"),
    ("audio_ark", "audio_ark_177da5c6.bin", "RuntimeError in audio.py:resample"),
    ("packed_config", b"loss:\n  consistency:\n    start_update:\n", "TypeError in loss.py:__post_init__"),
]
