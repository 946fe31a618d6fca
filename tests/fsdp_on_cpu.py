"""`stages.finetune RUN` with accelerate's FSDP on the processor, which accelerate 1.15 keeps for other devices.

Started by `accelerate launch --config_file cloud/fsdp.yaml`: all is as on GPUs but the device and gloo in NCCL's place.
"""

import sys
from pathlib import Path

from accelerate import PartialState
from accelerate.utils import DistributedType

plain = PartialState.__init__


def start(self, *arguments, **named) -> None:
    plain(self, *arguments, **named)
    if self.distributed_type == DistributedType.MULTI_CPU:
        self.distributed_type = DistributedType.MULTI_GPU


if __name__ == "__main__":
    sys.path[0] = str(Path.cwd())  # the stages of the project there
    PartialState.__init__ = start
    from pipelines.core.command import command
    from stages.finetune import finetune

    command(finetune, computes=True, trains=True)
