"""Systems side by side: grids of systems and seeds, their table, and the verdicts of RESULTS.md."""
