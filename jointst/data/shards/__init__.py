"""Speech in shards: tar files in webdataset's layout, each with an index, in a folder or behind a URL.

A shard holds of each utterance ``<key>.flac`` and ``<key>.json``; its index, written last, says at which byte each
sound begins. ``wav.scp`` names a sound by ``<shard>:<first byte>:<bytes>``, and only these bytes are read.

Where things are: ``places`` reads a part of a shard, ``storage`` gets and puts bytes, here or behind a URL; ``pack``
makes a shard and its index; ``sources`` lists what goes into them; ``command`` is ``jointst shard``.
"""

LENGTHS = "utt2dur"
"""Kaldi's table of seconds, which the data directory of shards has as well."""
