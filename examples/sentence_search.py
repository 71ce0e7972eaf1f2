"""Sentence search: which sentences of a file mean what you say?

    python examples/sentence_search.py lines.txt --query "ships at sea" --model path/to/MiniLM   # searched as it is
    python examples/sentence_search.py lines.txt --query "ships at sea" --encoder path/to/bert   # SimCSE on your lines
    python examples/sentence_search.py lines.txt --query "ships at sea"                          # SimCSE from nothing

Any sentence-transformers folder can be searched as it is. Without one SimCSE learns on the lines, best from a
pretrained encoder; from nothing it learns which words go together and little more. Prints how many first halves of
the lines find their second half, beside random weights and chance, then what is nearest to the query. A model trained
here has seen these lines; how it does on unseen ones is what the run says before.
"""

import argparse
from typing import Any

import numpy as np

import kontrast
from kontrast.data import open_source


def halves_found(model: Any, sentences: list[str]) -> float:
    """How many first halves of sentences have their own second half as the nearest."""
    words = [sentence.split() for sentence in sentences]
    first = [" ".join(w[: len(w) // 2]) for w in words]
    second = [" ".join(w[len(w) // 2 :]) for w in words]
    nearest = model.similarity(model.embed(first), model.embed(second)).argmax(axis=1)
    return float(np.mean(nearest == np.arange(len(sentences))))


def main() -> None:
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("sentences", help="a text file with a sentence a line, or a table")
    ask.add_argument("--query", required=True, help="what to look for, in words")
    ask.add_argument("--model", help="a run, or a sentence-transformers folder: searched as it is")
    ask.add_argument("--encoder", default="static", help="static, small, or a pretrained folder, to be trained further")
    ask.add_argument("--epochs", type=int, help="of that training; chosen by the number of sentences if not given")
    ask.add_argument("-k", type=int, default=5, help="how many to show")
    args = ask.parse_args()

    if args.model:
        model = kontrast.load(args.model)
    else:
        run = kontrast.train(args.sentences, method="simcse", encoder=args.encoder, epochs=args.epochs)
        print(run.summary["verdict"], run.summary["learned"] or "Too few lines to test on unseen ones.", sep="\n")
        model = run.model

    source = open_source(args.sentences)
    sentences = source.texts(source.ids)
    halved = [sentence for sentence in dict.fromkeys(sentences) if len(sentence.split()) > 1][:2000]
    for called, encoder in (("random weights", model.random()), ("model", model)):
        found, chance = halves_found(encoder, halved), 1 / len(halved)
        print(f"{called:<15} {found:6.1%} of {len(halved)} first halves find their second (chance {chance:.2%})")

    score_N = model.similarity(model.embed([args.query]), model.embed(sentences))[0]
    print(f"nearest to {args.query!r}:")
    for row in np.argsort(-score_N)[: args.k]:
        print(f"{score_N[row]:7.4f}  {sentences[row]}")


if __name__ == "__main__":
    main()
