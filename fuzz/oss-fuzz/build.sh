#!/bin/bash -eu
# Builds one fuzzer for each target, with its seeds and the dictionary.
pip3 install --require-hashes --no-deps -r requirements/torch.txt
pip3 install --require-hashes --no-deps -r requirements/run.txt
pip3 install --no-deps .
for name in $(python3 -m fuzz --list); do
  printf 'import sys\nfrom fuzz.engine import run\nrun("%s", sys.argv[1:])\n' "$name" > "fuzz_$name.py"
  compile_python_fuzzer "fuzz_$name.py"
  python3 -m fuzz --seeds "seeds/$name" "$name"
  zip -j "$OUT/fuzz_${name}_seed_corpus.zip" "seeds/$name"/*
  cp fuzz/words.dict "$OUT/fuzz_$name.dict"
done
