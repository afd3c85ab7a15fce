#!/bin/bash
# A job of a sweep's array: carries out the runs on its line of members.txt, each in a step of its
# own, and queues the job again if one of them was interrupted.
store=@STORE@
read -r -a runs <<< "$(sed -n "$((SLURM_ARRAY_TASK_ID + 1))p" @MEMBERS@)"
echo "$(date --iso-8601=seconds) $(hostname) start ${SLURM_RESTART_COUNT:-0}: ${runs[*]}"
@SETUP@

# Runs that share the job share its cores.
export OMP_NUM_THREADS=$((${SLURM_CPUS_PER_TASK:-1} > ${#runs[@]} ? ${SLURM_CPUS_PER_TASK:-1} / ${#runs[@]} : 1))
# Where the processes of one run meet: the first node, by the address that SLURM has for it.
first=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
MASTER_ADDR=$(scontrol show node "$first" | sed -n 's/.*NodeAddr=\([^ ]*\).*/\1/p')
export MASTER_ADDR MASTER_PORT=$((20000 + SLURM_JOB_ID % 20000))

# SLURM tells the steps of an ending job, not always this script; what reaches us, we pass on.
steps=()
pass_on() {
  for run in "${runs[@]}"; do touch "$store/$run/stop"; done
  kill -USR1 "${steps[@]}" 2> /dev/null
}
trap pass_on USR1 TERM

# What a run wrote before says nothing of this start.
version_of() { stat --format='%i %y' "$store/$1/result.json" 2> /dev/null; }

before=()
for run in "${runs[@]}"; do
  rm -f "$store/$run/stop"
  before+=("$(version_of "$run")")
  # srun does not take --cpus-per-task over from sbatch. --wait: other tasks of a run may save yet.
  srun --ntasks=@TASKS@ --cpus-per-task="${SLURM_CPUS_PER_TASK:-1}" --overlap --wait=120 \
    --output="$store/$run/log.txt" --open-mode=append @SRUN@ \
    bash @RUN_SCRIPT@ "$store/$run" &
  steps+=($!)
done

again=false
for i in "${!runs[@]}"; do
  wait "${steps[i]}"
  code=$?
  while kill -0 "${steps[i]}" 2> /dev/null; do # it was a signal that ended the waiting
    wait "${steps[i]}"
    code=$?
  done
  echo "$(date --iso-8601=seconds) ${runs[i]}: exit code $code"
  # 75: interrupted; 138, 143: asked to stop before it could listen. The exit code may be lost on
  # the way; what the run wrote is not.
  case $code in 75 | 138 | 143) again=true ;; esac
  if [ "$(version_of "${runs[i]}")" != "${before[i]}" ]; then
    grep -qs '"status": "interrupted"' "$store/${runs[i]}/result.json" && again=true
  elif [ -n "${before[i]}" ] && [ $code -ne 0 ]; then # a run that begins removes it
    echo "@FAILED_START@ exit code $code" >> "$store/${runs[i]}/log.txt"
  fi
done

$again || exit 0
# By this name alone: the last job of an array shares its number with the whole of it.
job=${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID
if [ -e @CANCELLED@ ] || [ "$(squeue --noheader --job="$job" --format=%T)" != RUNNING ]; then
  echo "ended from outside: queued again by SLURM, or cancelled"
elif [ "${SLURM_RESTART_COUNT:-0}" -ge @REQUEUES@ ]; then
  echo "queued again @REQUEUES@ times already: launcher.requeues"
else
  echo "$(date --iso-8601=seconds) queued again"
  scontrol requeue "$job"
fi
