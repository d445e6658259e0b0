"""Dynamic programs over (B, N, M): numba on the CPU, numba.cuda on GPUs, chosen by :mod:`.dispatch`.

Kernels take arrays and numbers and know nothing of torch; an array of lengths (B,) may serve P = K B problems, as
those of K layers: problem p has the lengths of utterance p mod B. Costs are read as they are, and sums are kept in
float64: the sum of many float32 costs is then exact enough that CPU and GPU, alone or in a batch, take the same path.
"""
