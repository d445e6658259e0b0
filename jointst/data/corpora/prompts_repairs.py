"""Spelling that the Asterisk transcripts have lost: accents, and slips of the typist that were not spoken."""

from __future__ import annotations

import re

_ES_WORDS = """
numero número|numeros números|numerico numérico|extension extensión|opcion opción|conexion conexión|menu menú
contrasena contraseña|contrasenas contraseñas|contrasenia contraseña|autenticacion autenticación|buzon buzón
invalida inválida|invalido inválido|valido válido|ultimo último|vacias vacías|unica única|lider líder|mas más
unira unirá|uniran unirán|comenzara comenzará|sera será|atendera atenderá|tecleo tecleó|esten estén|estan están
intentare intentaré|guiare guiaré|logre logré|comprendi comprendí|escucharas escucharás|tambien también
demonstracion demostración|demostracion demostración|configuracion configuración|informacion información
grabacion grabación|reproduccion reproducción|introduccion introducción|duracion duración|codigo código
busqueda búsqueda|telefono teléfono|telefonico telefónico|digitos dígitos|despues después|atras atrás
rapidamente rápidamente|tecnica técnica|util útil|linea línea|proximo próximo|proposito propósito
minimos mínimos|estandar estándar|decimo décimo|septimo séptimo|millon millón|trés tres|ó o|aun aún
defeto defecto|introdusca introduzca|ingese ingrese|nimbre nombre|numbre nombre|entidade entidades
mesaje mensaje|atravez a@través
"""
_FR_WORDS = """
numero numéro|telephone téléphone|problemes problèmes|premieres premières|presentement présentement
présentemnet présentement|occupes occupés|desole désolé|desolé désolé|abregée abrégée|l'ecouter l'écouter
reessayer réessayer|etait était|etes êtes|n'etes n'êtes|etre être|appellant appelant|enleve enlevé|aurevoir au@revoir
d'acceuil d'accueil|l'appellant l'appelant|étés été|somme sommes|démontration démonstration
"""
_PHRASES = {
    "es": (
        (r"\besta (?=usted|en la conferencia|en uso|terriblemente|libre|ocupad[ao]|a punto|disponible)", "está "),
        (r"\bno se quien\b", "no sé quién"),
        (r"\b(a|en) que carpeta\b", r"\1 qué carpeta"),
    ),
    "fr": (
        (r"\ba nouveau\b", "à nouveau"),
        (r"\bmise a jour\b", "mise à jour"),
        (r"^a l'extension\b", "à l'extension"),
        (r"\bsimultane a ete\b", "simultanée a été"),
        (r"\bpas (etre|être) rappler\b", "pas être rappelé"),
        (r"\bre enregistrer\b", "réenregistrer"),
        (r"\b(dé)?v[eé]rr?ouill", r"\1verrouill"),
        (r"\b(et|votre) \1\b", r"\1"),
        (r"\bavez étez\b", "avez été"),
    ),
    "it": ((r"^e (?=in uso|impostato)", "è "),),
    "ru": ((r"\bвзёздочка\b", "звёздочка"), (r"\bчто бы (?=его|набрать)", "чтобы ")),
}
_QUESTION_MARKS = {"it": {"sar?": "sarà", "pu?": "può", "cos?": "così", "pi?": "più", " ? ": " è "}}
"""In ten Italian lines an accented letter in the middle of a sentence has become a question mark."""


def _words(table: str) -> tuple[tuple[re.Pattern[str], str], ...]:
    pairs = [pair.split(" ") for line in table.split("\n") if line for pair in line.split("|")]
    return tuple((re.compile(rf"(?<!\S){re.escape(old)}(?!\S)"), new.replace("@", " ")) for old, new in pairs)


_AFTER = {
    lang: _words({"es": _ES_WORDS, "fr": _FR_WORDS}.get(lang, ""))
    + tuple((re.compile(pattern), replacement) for pattern, replacement in phrases)
    for lang, phrases in _PHRASES.items()
}


def repair_marks(text: str, lang: str) -> str:
    """Put back accented letters of a transcript as it was found, before it is normalised."""
    for lost, letter in _QUESTION_MARKS.get(lang, {}).items():
        text = re.sub(rf"{re.escape(lost)}(?=\s*[^\W\dA-Z_])", letter, text)
    return text


def repair_words(sentence: str, lang: str) -> str:
    """Put back accents and mend slips in a normalised sentence."""
    for pattern, replacement in _AFTER.get(lang, ()):
        sentence = pattern.sub(replacement, sentence)
    return sentence
