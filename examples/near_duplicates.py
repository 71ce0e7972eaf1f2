"""Near-duplicates: which photos of a folder are the same one, cropped, mirrored, brightened or compressed?

    python examples/near_duplicates.py photos/                            # trains on the folder first
    python examples/near_duplicates.py photos/ --model runs/look-alike    # or takes an encoder that you have

From which similarity on are two photos the same? The program finds out by itself: it makes an edited copy of every
photo and takes the similarity that `--find` of the copies reach. It prints how many photos find their copy among all,
beside random weights and chance, then the pairs. All pairs are compared: meant for up to some 20,000 photos.
"""

import argparse
import io
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

import kontrast
from kontrast.data import open_source


def opened(path: Path) -> Image.Image:
    """The photo, small enough that a whole folder fits into memory."""
    photo = Image.open(path).convert("RGB")
    photo.thumbnail((256, 256))
    return photo


def edited(photo: Image.Image) -> Image.Image:
    """A copy as the internet makes them: mirrored, its edge cut off, brighter, compressed hard."""
    width, height = photo.size
    copy = ImageOps.mirror(photo.crop((width // 10, height // 10, width - width // 10, height - height // 10)))
    file = io.BytesIO()
    ImageEnhance.Brightness(copy).enhance(1.2).save(file, "jpeg", quality=50)
    return Image.open(file)


def main() -> None:
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("photos", type=Path, help="a folder of photos, in any nesting")
    ask.add_argument("--model", type=Path, help="a run or model folder; trained on the photos if not given")
    ask.add_argument("--epochs", type=int, help="of that training; chosen by the number of photos if not given")
    ask.add_argument("--find", type=float, default=0.9, help="share of the edited copies that must be found")
    args = ask.parse_args()

    model = kontrast.load(args.model) if args.model else kontrast.train(args.photos, epochs=args.epochs).model
    source = open_source(args.photos)
    names = [source.names[i] for i in source.ids]
    photos = [opened(args.photos / name) for name in names]
    copies = [edited(photo) for photo in photos]

    for called, encoder in (("random weights", model.random()), ("learned", model)):
        vectors = encoder.embed(photos)
        to_copies = encoder.similarity(vectors, encoder.embed(copies))
        found = np.mean(to_copies.argmax(axis=1) == np.arange(len(photos)))
        print(
            f"{called:<15} {found:6.1%} of {len(photos)} photos find their edited copy (chance {1 / len(photos):.2%})"
        )

    enough = np.quantile(np.diag(to_copies), 1 - args.find)
    alike = np.triu(model.similarity(vectors, vectors), k=1)
    pairs = sorted(zip(*np.nonzero(alike >= enough)), key=lambda pair: -alike[pair])
    print(f"{len(pairs)} pairs at a similarity of {enough:.4f} or more, which {args.find:.0%} of the copies reach:")
    for one, other in pairs[:20]:
        print(f"{alike[one, other]:7.4f}  {names[one]}  {names[other]}")


if __name__ == "__main__":
    main()
