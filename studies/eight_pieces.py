"""Write docs/eight-pieces.md: eight tunes of the shipped student, seeds 1 to 8, none left out.

python studies/eight_pieces.py
"""

from __future__ import annotations

from pathlib import Path

from picogen_cli.defaults import SHIPPED
from picogen_core.generation.student import Music, Student

DOCS = Path(__file__).parents[1] / "docs"
CARD = "../packages/picogen-backbones/src/picogen_backbones/weights/tunes/MODEL_CARD.md"
HEAD = f"""# Eight pieces

Seeds 1 to 8 of the shipped student, none left out, none chosen, default sampling.
The command of the first:

```sh
picogen generate --seed 1 --num-samples 1 --to svg
```

`python studies/eight_pieces.py` makes this page again. What three hundred such pieces measure
stands in [the student's card]({CARD}).
"""


def main() -> None:
    student = Student(SHIPPED)
    pictures = DOCS / "eight-pieces"
    pictures.mkdir(exist_ok=True)
    parts = [HEAD]
    for seed in range(1, 9):
        music = student.generate(seed=seed)
        for number, page in enumerate(music.svg(), 1):
            name = f"{seed}.svg" if number == 1 else f"{seed}-{number}.svg"
            (pictures / name).write_text(page)
        parts.append(_section(seed, music))
    (DOCS / "eight-pieces.md").write_text("\n".join(parts))


def _section(seed: int, music: Music) -> str:
    repairs = len(music.record["repairs"])
    closed = "" if music.complete else f"; {music.record['stopped']}"
    return (
        f"## Seed {seed}\n\n![Seed {seed}](eight-pieces/{seed}.svg)\n\n"
        f"{repairs or 'No'} repair{'' if repairs == 1 else 's'}{closed}.\n\n"
        f"```abc\n{music.abc.strip()}\n```\n"
    )


if __name__ == "__main__":
    main()
