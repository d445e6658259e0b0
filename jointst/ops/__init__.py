"""Functions on tensors and arrays: masks, distances, alignments, the transducer lattice."""
