#!/usr/bin/env bash
# A Slurm of two nodes on this machine, for tests. Needs root and Debian's slurm-wlm and munge; all it writes is in FOLDER.
# usage: tools/slurm_here.sh start FOLDER   then: export SLURM_CONF=FOLDER/slurm.conf
#        tools/slurm_here.sh stop FOLDER
set -euo pipefail
usage() { sed -n '2,4s/^# //p' "${BASH_SOURCE[0]}"; }
fail() { echo "slurm_here.sh: error: $*" >&2; exit 1; }
export PATH=$PATH:/usr/sbin:/sbin
[ $# -eq 2 ] || { usage >&2; exit 1; }
mkdir -p "$2"
folder=$(cd "$2" && pwd)
export SLURM_CONF=$folder/slurm.conf

stop() {
    scancel --state=PENDING --state=RUNNING --user="$(id -un)" 2> /dev/null || true
    local file process
    for file in "$folder"/slurmd.*.pid "$folder/slurmctld.pid" "$folder/munged.pid"; do
        [ -s "$file" ] || continue
        process=$(cat "$file")
        kill "$process" 2> /dev/null || continue
        for _ in $(seq 50); do kill -0 "$process" 2> /dev/null || break; sleep 0.1; done
        kill -KILL "$process" 2> /dev/null || true
    done
}

configure() {
    local first=$1 host
    host=$(hostname -s)
    mkdir -p "$folder/state" "$folder/munge"
    cat > "$SLURM_CONF" <<CONF
ClusterName=here
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$first
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket=$folder/munge/socket,cred_expire=5
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SwitchType=switch/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
JobRequeue=1
KillWait=10
ReturnToService=2
StateSaveLocation=$folder/state
SlurmctldPidFile=$folder/slurmctld.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdPidFile=$folder/slurmd.%n.pid
SlurmdLogFile=$folder/slurmd.%n.log
SlurmdSpoolDir=$folder/spool.%n
NodeName=node[1-2] NodeHostname=$host NodeAddr=127.0.0.1 Port=[$((first + 1))-$((first + 2))] CPUs=4 State=UNKNOWN
PartitionName=here Nodes=ALL Default=YES MaxTime=INFINITE State=UP
CONF
}

case $1 in
    start)
        [ "$(id -u)" -eq 0 ] || fail "needs root"
        for program in munged slurmctld slurmd srun; do
            command -v "$program" > /dev/null || fail "no $program (apt-get install slurm-wlm munge)"
        done
        configure $((20000 + RANDOM % 10000))
        (umask 077; head -c 1024 /dev/urandom > "$folder/munge/key")
        chmod 755 "$folder/munge"
        munged --force --key-file="$folder/munge/key" --socket="$folder/munge/socket" --num-threads=2 \
            --pid-file="$folder/munged.pid" --log-file="$folder/munged.log" --seed-file="$folder/munge/seed"
        slurmctld -c
        slurmd -N node1
        slurmd -N node2
        for _ in $(seq 100); do
            if [ "$(sinfo --noheader --format='%t %D' 2> /dev/null)" = "idle 2" ]; then exit 0; fi
            sleep 0.2
        done
        sinfo >&2 || true
        tail -n 5 "$folder"/*.log >&2
        stop
        fail "the nodes do not come up"
        ;;
    stop) stop ;;
    *) usage >&2; exit 1 ;;
esac
