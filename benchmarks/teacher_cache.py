"""What a step of distillation costs, against the same step of training.

python benchmarks/teacher_cache.py --data DIR [--teacher CKPT | --teacher-width 768]

Ratios of process CPU time, interleaved: each round takes the same batch through every variant in a
drawn order; the median over rounds of each variant's ratio to plain training is printed, with its
quartiles. Answers come from a warm cache. With a teacher of its real size the first epoch is
measured too: filling the cache, one crop at a time, and computing whole batches without one.
"""

from __future__ import annotations

import argparse
import random
import statistics
import tempfile
import time
from itertools import islice, product
from pathlib import Path

import torch
from picogen_core.data.batches import Sampling, train_steps
from picogen_core.data.crops import fixed_crops
from picogen_core.data.prepared.index import open_data
from picogen_core.model.checkpoint import load_model
from picogen_core.model.config import ModelConfig
from picogen_core.model.student import GenericStudent
from picogen_core.runtime.progress import Quiet
from picogen_core.training.config import TrainConfig
from picogen_core.training.objective import build_objective
from picogen_core.training.optimizers import make_optimizer
from picogen_core.training.teacher.cache import open_outputs

KD = {"logit-kd": {"weight": 1.0}}
HIDDEN = {"hidden-mse": {"weight": 1.0}}
ALL = KD | HIDDEN | {"physics": {"weight": 0.3}}
LOSSES = {"logit-kd": KD, "hidden-mse": HIDDEN, "both": KD | HIDDEN, "default": ALL}
FIRST_EPOCH = "filling", "no cache"


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="prepared folder")
    parser.add_argument("--teacher", type=Path, help="left out, a random one of one layer")
    parser.add_argument("--max-patches", type=int, default=256)
    parser.add_argument("--backbone", choices=("llama", "rwkv"), default="llama")
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--head", default="char-transformer")
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--teacher-width", type=int, default=768)
    parser.add_argument("--batch-size", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=40)
    return parser.parse_args()


class Trainer:
    """One variant: its own student, optimizer, objective and cache."""

    def __init__(self, args, table, limit, teacher, data, crops, cache):  # type: ignore[no-untyped-def]
        torch.manual_seed(0)
        self.objective = build_objective(table, bool(table))
        hidden = self.objective.wants_hidden
        self.model = GenericStudent(
            ModelConfig(
                d_model=args.width,
                max_patches=args.max_patches,
                backbone=args.backbone,
                backbone_options={"layers": args.layers},
                head=args.head,
                head_options={"layers": 1} if args.head == "char-transformer" else {},
                teacher_width=teacher.config.d_model if hidden else None,
            )
        ).train()
        self.optimizer = make_optimizer("adamw", self.model, 1e-4, 0.1)
        config = TrainConfig(cache_dir=cache, cache_limit=limit, max_patches=args.max_patches)
        self.teacher_outputs = (
            open_outputs(config, teacher, "some", data, crops, self.objective, Quiet())
            if table
            else None
        )

    def step(self, batch) -> float:  # type: ignore[no-untyped-def]
        begun = time.process_time()
        loss, _ = self.objective(self.model, batch, self.teacher_outputs, 0.1)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        float(loss.detach())
        return time.process_time() - begun


def random_teacher(args: argparse.Namespace) -> GenericStudent:
    torch.manual_seed(1)
    return GenericStudent(
        ModelConfig(
            d_model=args.teacher_width,
            max_patches=args.max_patches,
            backbone="gpt2",
            backbone_options={"layers": 1, "max_patches": args.max_patches},
            head="char-transformer",
            head_options={"layers": 1},
        )
    ).eval()


def main() -> None:
    args = parse()
    torch.set_num_threads(1)
    data = open_data(args.data).split("train")
    crops = fixed_crops(data, args.max_patches)
    sampling = Sampling(args.batch_size, 1, args.max_patches, seed=0)
    steps = islice(train_steps(data, crops, sampling, epoch=0), args.rounds)
    batches = [batch for step in steps for _, batch in step]
    teacher = load_model(args.teacher, "cpu") if args.teacher else random_teacher(args)
    with tempfile.TemporaryDirectory() as folder:
        trainers = {"plain": Trainer(args, {}, "0", teacher, data, crops, None)}
        for name, table in LOSSES.items():
            cache = Path(folder) / "warm"
            trainers[name] = Trainer(args, table, "20GB", teacher, data, crops, cache)
        for batch in batches:
            for trainer in list(trainers.values())[1:]:
                trainer.teacher_outputs(batch)
        for name, how in product(LOSSES, FIRST_EPOCH if args.teacher else ()):
            limit, cache = "0" if how == "no cache" else "20GB", Path(folder) / name
            title = f"{name}, {how}"
            trainers[title] = Trainer(args, LOSSES[name], limit, teacher, data, crops, cache)
        for trainer in trainers.values():
            trainer.step(batches[0])
        batches = batches[1:]  # the first is in every cache now
        times: dict[str, list[float]] = {name: [] for name in trainers}
        order = random.Random(0)
        for batch in batches:
            for name in order.sample(list(trainers), len(trainers)):
                times[name].append(trainers[name].step(batch))
    model = trainers["plain"].model
    print(
        f"{args.backbone} + {args.head}, width {args.width}, {model.parameter_count():,} "
        f"parameters, teacher width {teacher.config.d_model}, {args.batch_size} pieces a step, "
        f"{len(batches)} rounds, one thread, torch {torch.__version__}"
    )
    for name, spent in times.items():
        ratios = [a / b for a, b in zip(spent, times["plain"], strict=True)]
        low, middle, high = statistics.quantiles(ratios, n=4)
        print(
            f"{name:22} {1000 * statistics.median(spent):7.1f} ms a step, "
            f"{middle:.3f} × plain [{low:.3f}, {high:.3f}]"
        )


if __name__ == "__main__":
    main()
