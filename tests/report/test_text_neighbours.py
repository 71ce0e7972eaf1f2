"""Held-out sentences with their nearest: equal ones count once and never answer themselves."""

import torch

from kontrast.report.text_neighbours import ANSWERS, QUESTIONS, sentences


def letters(texts):
    return torch.tensor([[float(text.count(chr(97 + n))) for n in range(26)] for text in texts])


def test_the_nearest_of_each_encoder_best_first():
    asked, among = ["aab", "xy", "aab"], ["ab", "aaab", "xyz", "xyz", "q", "aab", "w"]
    quotes = sentences({"letters": letters, "length": lambda t: torch.ones(len(t), 2)}, asked, among)
    assert [quote.asked for quote in quotes] == ["aab", "xy"]
    first = quotes[0].answers["letters"]
    assert [answer.content for answer in first[:2]] == ["aaab", "ab"]
    assert first[0].score > first[1].score and len(first) == min(ANSWERS, 5)
    for quote in quotes:
        told = [answer.content for answer in quote.answers["letters"]]
        assert len(set(told)) == len(told) and not {"aab", "xy"} & set(told)


def test_nothing_to_search_is_no_section():
    assert sentences({"letters": letters}, ["a"], ["a"]) == [] and sentences({"letters": letters}, [], ["a"]) == []
    many = [f"{n:03d}" for n in range(50)]
    assert len(sentences({"x": lambda t: torch.ones(len(t), 2)}, many, ["a", "b"])) == QUESTIONS
