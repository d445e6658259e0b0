"""What the yardsticks share: other systems on the test sets of a recipe, scored as ours are."""
