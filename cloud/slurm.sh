#!/bin/bash
# One GPU for one command, on a cluster with a shared folder: sbatch cloud/slurm.sh dvc repro
# Run `make setup` there first. A job that runs out of time ends with its last whole epoch kept, and goes on in a new one.
#SBATCH --job-name=snips
#SBATCH --nodes=1
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=4
#SBATCH --mem=16G
#SBATCH --gres=gpu:1
#SBATCH --time=02:00:00
#SBATCH --signal=B:USR1@60
#SBATCH --requeue
#SBATCH --output=slurm-%j.log
#SBATCH --open-mode=append
set -em  # m: the command and what it starts are one group
cd "${SLURM_SUBMIT_DIR:-.}"
export SNIPS_CHECKPOINTS="${SNIPS_CHECKPOINTS:-$PWD/.checkpoints}"  # for experiments too, which have folders of their own
source .venv/bin/activate
again() {  # the time is nearly up: stop the stage, which keeps its checkpoints, and stand in the queue once more
  kill -TERM -- "-$work"
  while kill -0 -- "-$work" 2>/dev/null; do sleep 0.2; done
  scontrol requeue "$SLURM_JOB_ID"
}
trap again USR1
"$@" &
work=$!
wait "$work"
