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
]
