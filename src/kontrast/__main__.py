"""`python -m kontrast` is `kontrast`; torchrun needs it: `torchrun --nproc-per-node 2 -m kontrast train ...`."""

from kontrast.cli import main

main()
