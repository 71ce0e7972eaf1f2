"""Pictures of one colour with captions that name it."""

COLOURS = {"red": (220, 30, 30), "green": (30, 200, 30), "blue": (30, 30, 220), "white": (250, 250, 250)}


QUICK = {"method": "clip", "epochs": 6, "batch_size": 16, "threads": 1, "lr": 0.003, "view_mode": "fast"}
