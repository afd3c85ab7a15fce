#!/bin/bash
# One task of one run: run.sh RUN-FOLDER.
run=$1
if [ "${SLURM_STEP_NUM_TASKS:-1}" -gt 1 ]; then # several processes carry out the run together
  export RANK=$SLURM_PROCID WORLD_SIZE=$SLURM_STEP_NUM_TASKS LOCAL_RANK=$SLURM_LOCALID
  export LOCAL_WORLD_SIZE=$((SLURM_STEP_NUM_TASKS / SLURM_STEP_NUM_NODES))
fi
cd @CODE@ || exit 2
@CARRY_OUT@
