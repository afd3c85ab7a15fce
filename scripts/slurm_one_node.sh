#!/usr/bin/env bash
# A private SLURM on this machine, to try the launcher without a cluster. As root, without systemd.
#
#   apt-get install --no-install-recommends slurm-wlm munge    # Debian, Ubuntu
#   scripts/slurm_one_node.sh start /tmp/slurm --nodes 4 --cpus 1
#   export SLURM_CONF=/tmp/slurm/slurm.conf                    # then sbatch, squeue, ... as usual
#   scripts/slurm_one_node.sh stop /tmp/slurm
#
# The nodes n1, n2, ... are daemons of one machine. Partitions: `main` (the default) and `scavenge`,
# whose jobs those of `main` push out: they get SIGTERM, ten seconds later they are requeued.
# Everything lies in the folder; several such SLURMs live side by side if --port differs.
set -euo pipefail

usage() { sed -n '2,10s/^# \{0,1\}//p' "$0"; exit 2; }
fail() { echo "error: $*" >&2; exit 2; }

[ $# -ge 2 ] || usage
verb=$1
mkdir -p "$2"
base=$(cd "$2" && pwd)
shift 2
nodes=2 cpus=1 port=16800
while [ $# -gt 0 ]; do
  [ $# -ge 2 ] || usage
  case $1 in
    --nodes) nodes=$2 ;;
    --cpus) cpus=$2 ;;
    --port) port=$2 ;;
    *) usage ;;
  esac
  shift 2
done
export SLURM_CONF=$base/slurm.conf

write_configuration() {
  local host
  host=$(hostname -s)
  # cred_expire: how long a requeued job is held. MinJobAge: how long `scontrol show job` knows it.
  cat > "$SLURM_CONF" <<CONF
ClusterName=trial
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$port
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$base/munge/socket,cred_expire=5
CredType=cred/munge
StateSaveLocation=$base/state
SlurmdSpoolDir=$base/spool-%n
SlurmctldPidFile=$base/slurmctld.pid
SlurmdPidFile=$base/slurmd-%n.pid
SlurmctldLogFile=$base/slurmctld.log
SlurmdLogFile=$base/slurmd-%n.log
MailProg=/bin/true
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SwitchType=switch/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=sched_interval=1,bf_interval=2,batch_sched_delay=0
SlurmctldParameters=preempt_send_user_signal
SlurmdParameters=config_overrides
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
JobRequeue=1
KillWait=5
SlurmdTimeout=10
MinJobAge=3600
MaxArraySize=1001
ReturnToService=2
CONF
  for i in $(seq "$nodes"); do
    echo "NodeName=n$i NodeHostname=$host NodeAddr=127.0.0.1 Port=$((port + 10 + i)) CPUs=$cpus" \
      "RealMemory=4000 State=UNKNOWN"
  done >> "$SLURM_CONF"
  cat >> "$SLURM_CONF" <<CONF
PartitionName=main Nodes=ALL Default=YES MaxTime=1-00:00:00 DefaultTime=10 PriorityTier=10 PreemptMode=OFF
PartitionName=scavenge Nodes=ALL MaxTime=1-00:00:00 DefaultTime=10 PriorityTier=1 GraceTime=10
CONF
}

start() {
  [ "$(id -u)" = 0 ] || fail "start it as root: slurmd runs jobs in their users' names"
  for program in munged slurmctld slurmd srun; do
    PATH=$PATH:/usr/sbin command -v $program > /dev/null ||
      fail "$program is not installed: apt-get install --no-install-recommends slurm-wlm munge"
  done
  chmod 755 "$base"
  mkdir -p "$base/state" "$base/munge"
  chmod 711 "$base/munge" # every user goes through its socket; the key is for root alone
  [ -s "$base/munge/key" ] || (umask 077 && head -c 1024 /dev/urandom > "$base/munge/key")
  write_configuration
  # --force: munged would rather have every folder above it safe from other users.
  /usr/sbin/munged --force --key-file="$base/munge/key" --socket="$base/munge/socket" \
    --pid-file="$base/munge/pid" --seed-file="$base/munge/seed" \
    --log-file="$base/munge/log" 2> "$base/munge/start.log" || fail "$(cat "$base/munge/start.log")"
  /usr/sbin/slurmctld -i
  for i in $(seq "$nodes"); do /usr/sbin/slurmd -N "n$i"; done
  for _ in $(seq 150); do
    idle=$(sinfo --noheader --partition=main --states=idle --format=%D 2> /dev/null || true)
    [ "${idle:-0}" = "$nodes" ] && { sinfo; exit 0; }
    sleep 0.2
  done
  fail "the nodes do not come up; see $base/slurmctld.log"
}

end() { # end PID-FILE: ask the daemon to end, insist after ten seconds
  [ -s "$1" ] || return 0
  local pid
  pid=$(cat "$1")
  kill "$pid" 2> /dev/null || true
  for _ in $(seq 100); do kill -0 "$pid" 2> /dev/null || break; sleep 0.1; done
  kill -KILL "$pid" 2> /dev/null || true
  rm -f "$1"
}

stop() {
  squeue --noheader --format=%A 2> /dev/null | sort -u | xargs --no-run-if-empty scancel || true
  for _ in $(seq 100); do [ -n "$(squeue --noheader 2> /dev/null)" ] || break; sleep 0.1; done
  cat "$base"/slurmd-*.pid 2> /dev/null | xargs --no-run-if-empty kill 2> /dev/null || true
  for file in "$base"/slurmd-*.pid "$base/slurmctld.pid" "$base/munge/pid"; do end "$file"; done
}

case $verb in
  start) start ;;
  stop) stop ;;
  *) usage ;;
esac
