"""SimCSE as published. Each function returns a complete run; each number has its source.

[paper] Gao, Yao, Chen 2021, arXiv:2104.08821.  [code] princeton-nlp/SimCSE, run_*_example.sh and README.
"""

from __future__ import annotations

from kontrast.settings import Settings


def unsupervised() -> Settings:
    """BERT-base on a million Wikipedia sentences: 76.25 on average over the seven STS sets ([paper], table 5)."""
    return Settings(
        method="simcse",
        encoder="bert-base-uncased",  # [paper] section 6.1
        views="dropout",  # [paper] section 3.1
        batch_size=64,  # [paper] appendix A
        epochs=1,  # [paper] appendix A
        optimizer="adamw",  # [code] transformers' default
        lr=3e-5,  # [paper] appendix A
        weight_decay=0.0,  # [code] transformers' default
        warmup=0,  # [code]
        schedule="linear",  # [code] transformers' default
        temperature=0.05,  # [paper] section 3.1
    )


def supervised() -> Settings:
    """BERT-base on 276 thousand NLI triplets: 81.57 on average over the seven STS sets ([paper], table 5)."""
    return Settings(
        method="simcse",
        encoder="bert-base-uncased",  # [paper] section 6.1
        views="none",  # the positives are given
        batch_size=512,  # [paper] appendix A
        epochs=3,  # [paper] appendix A
        optimizer="adamw",  # [code] transformers' default
        lr=5e-5,  # [paper] appendix A
        weight_decay=0.0,  # [code] transformers' default
        warmup=0,  # [code]
        schedule="linear",  # [code] transformers' default
        temperature=0.05,  # [paper] section 3.1
    )


RECIPES = {"unsupervised": unsupervised, "supervised": supervised}
