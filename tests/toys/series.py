"""A toy kind of data: series of numbers, (N, T), the array "series" of an .npz file.

Shapes: N series, B of a step, T points, H features.
"""

import copy
import json
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from kontrast import keyed
from kontrast.data.open import open_source
from kontrast.data.source import Source
from kontrast.errors import Unfit
from kontrast.evaluate.retrieval import retrieval
from kontrast.exchange.card import Certificate
from kontrast.exchange.format import compared
from kontrast.methods.method import Batch
from kontrast.modalities.inference import columns_of
from kontrast.modalities.modality import Sections
from kontrast.recipes.kinds import Kind
from kontrast.settings import Settings

WIDTH = 8


def read(path, options):
    """The reader: a `Source` with its samples in a column."""
    series_NT = np.load(path)["series"].astype(np.float32)
    names = [f"row {row}" for row in range(len(series_NT))]
    digests = {row: one.tobytes() for row, one in enumerate(series_NT)}
    ids = np.arange(len(series_NT))
    return Source(str(path), "series", names, ids, "toy", columns={"series": series_NT}, digests=digests)


class Encoder(nn.Module):
    messages = ()
    width = WIDTH

    def __init__(self, points, seed=0):
        super().__init__()
        self.points = points
        draw = keyed.generator("toy encoder", seed)
        self.weight = nn.Parameter(torch.randn(WIDTH, points, generator=draw) / points**0.5)

    def forward(self, series_BT):
        return torch.tanh(series_BT @ self.weight.T)


class Batches:
    """Two views of each series: noise is added."""

    messages, waited = (), 0.0

    def __init__(self, source, sampler):
        self.source, self.sampler = source, sampler

    def __call__(self, step):
        ids_B = self.sampler.own(step)
        return Batch(self.views(ids_B, step), torch.from_numpy(ids_B), step, self.sampler.steps, self.sampler.seed)

    def views(self, ids_B, step):
        whole_BT = torch.from_numpy(self.source.columns["series"][ids_B])
        noise = [torch.randn(whole_BT.shape, generator=keyed.generator("toy", step, v)) for v in (0, 1)]
        return tuple(whole_BT + 0.1 * each for each in noise)


class Model:
    words = False

    def __init__(self, encoder):
        self.encoder, self.width = encoder, encoder.width

    def embed(self, data):
        source = self.read(data)
        return self.embed_source(source, source.ids).numpy()

    def read(self, data, split=None, **_):
        source = open_source(data, split=split)
        if source.kind != "series":
            raise Unfit(f"{source.name} holds {source.called}, and this model takes series.")
        return source

    def embed_source(self, source, ids):
        with torch.no_grad():
            return self.encoder(torch.from_numpy(source.columns["series"][ids]))

    def called(self, source):
        return [source.names[i] for i in source.ids]

    def asked(self, query):
        raise Unfit(f"--query {query!r}: series are found by the number of a row.")

    def random(self, seed=0):
        return Model(Encoder(self.encoder.points, seed))

    def with_weights(self, weights):
        other = copy.deepcopy(self.encoder)
        other.load_state_dict(weights)
        return Model(other)


def measured(columns, source, ids, seed=0):
    """Whether a series finds itself under noise; higher is better."""
    result = {"about": {"data": source.name, "items": len(ids), "range": {}, "notes": []}}
    clean_BT = torch.from_numpy(source.columns["series"][ids])
    noisy_BT = clean_BT + 0.1 * torch.randn(clean_BT.shape, generator=keyed.generator("toy test", seed))
    for name, model in columns.items():
        with torch.no_grad():
            found = retrieval(model.encoder(noisy_BT), model.encoder(clean_BT), ids, ids)
        result[name] = {"recall_at_1": found["recall_at_1"]}
    result["about"]["chance"] = {"recall_at_1": 1 / len(ids)}
    return result


class Opened:
    masks = False

    def __init__(self, plan, samples, weights_from):
        self.plan, self.samples, self.learned = plan, samples, weights_from is not None
        points = samples.source.columns["series"].shape[1]
        self.encoder = load(weights_from).encoder if self.learned else Encoder(points, plan.settings.seed)

    def batches(self, source, sampler, *, training):
        return Batches(source, sampler)

    def model(self, encoder):
        return Model(encoder)

    def score(self, model, source, ids):
        return {"recall_at_1": measured({"learned": model}, source, ids)["learned"]["recall_at_1"]}

    def export(self, folder, model, about):
        folder.mkdir()
        save_file({"weight": model.encoder.weight.detach().cpu().contiguous()}, folder / "model.safetensors")
        (folder / "series.json").write_text(json.dumps({"points": model.encoder.points}))
        probe = torch.eye(model.encoder.points)
        with torch.no_grad():
            difference, largest = compared(folder, [model.encoder(probe)], [load(folder).encoder(probe)])
        certificate = Certificate("series", "kontrast", difference, largest, lambda known: f"# {known.method}\n")
        certificate.write_card(folder, about)
        return certificate

    def evaluate(self, columns):
        return measured(columns, self.samples.check, self.samples.check_ids)

    def table(self, result):
        return [f"{name:<16}{row['recall_at_1']:.3f}" for name, row in result.items() if name != "about"]

    def sentence(self, result):
        return f"A series under noise is found in {result['learned']['recall_at_1']:.0%} of cases."

    def sections(self, columns, result, run):
        return Sections()


class Series:
    name, channels, pictures, groups, unused = "series", None, False, False, ()

    def precheck(self, settings):
        """Nothing can be wrong with an encoder that has no name."""

    def weights(self, settings, weights_from):
        return None

    def check(self, source, settings):
        if source.kind != "series":
            raise Unfit(f"{source.name} holds {source.called}; {settings.method} needs series.")

    def recipe(self, plan, source):
        return None

    def open(self, plan, samples, weights_from):
        return Opened(plan, samples, weights_from)

    def holds(self, folder):
        return (place(folder) / "series.json").is_file()

    def load(self, folder):
        return load(folder)

    def evaluate(self, path, data, request):
        model = load(path)
        source = model.read(data, request.split)
        result = measured(columns_of(model, None, request.seed)[0], source, source.ids, request.seed)
        return result, [f"{name:<16}{row['recall_at_1']:.3f}" for name, row in result.items() if name != "about"]


def place(folder):
    folder = Path(folder)
    return folder / "model" if (folder / "model").is_dir() else folder


def load(folder):
    known = json.loads((place(folder) / "series.json").read_text())
    encoder = Encoder(known["points"])
    encoder.load_state_dict(load_file(place(folder) / "model.safetensors"))
    return Model(encoder.eval())


def rules(facts, requested, published):
    """What a run on series needs to know that the user did not say."""
    batch, reason = min(32, facts.n // 4), "the toy's own"
    return {
        "batch_size": (requested.batch_size or batch, reason), "epochs": (requested.epochs or 5, reason),
        "warmup": (0.0, reason), "schedule": ("cosine", reason), "optimizer": ("adamw", reason), "lr": (1e-2, reason),
        "weight_decay": (0.0, reason), "temperature": (0.2, reason), "views": ("noise", reason),
        "encoder": ("linear", reason), "precision": ("fp32", reason),
    }  # fmt: skip


KIND = Kind(lambda facts: "toy", rules)


def recipe():
    """The toy's own."""
    return Settings(temperature=0.2, batch_size=32, epochs=5)
