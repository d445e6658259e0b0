# Sourced: Kaldi-style options of a recipe into variables. In: "$@". Out: stage stop_stage confs nj ngpu force dry_run
# training (options of stage 6 alone; typed, as they were typed) overrides. An unknown option or a value that is not a
# number ends the script with status 1.

option_error() {
    echo "run.sh: error: $* (./run.sh --help lists the options)" >&2
    exit 1
}

# option_number NAME VALUE LOWEST HIGHEST
option_number() {
    [[ $2 =~ ^[0-9]{1,6}$ ]] || option_error "$1 needs a whole number, not '$2'"
    (( 10#$2 >= $3 && 10#$2 <= $4 )) || option_error "$1 $2 is out of range: $3 to $4"
}

parse_options() {
    local option value last_stage=$1
    shift
    stage=0 stop_stage=$last_stage confs=() nj="" ngpu="" force=false dry_run=false training=() typed=() overrides=()
    while [ $# -gt 0 ]; do
        option=$1
        shift
        case $option in
            --) overrides=("$@"); break ;;
            -h|--help) usage; exit 0 ;;
            --force) force=true; continue ;;
            --dry-run) dry_run=true; continue ;;
            --*=*) value=${option#*=} option=${option%%=*} ;;
            --stage|--stop-stage|--conf|--nj|--ngpu|--nproc|--nodes|--launcher|--slurm)
                [ $# -gt 0 ] || option_error "$option needs a value"
                value=$1
                shift
                ;;
            --*.*) option_error "settings go after --, as in: ./run.sh -- $option VALUE" ;;
            *) option_error "unknown option '$option'" ;;
        esac
        case $option in --nproc|--nodes|--launcher|--slurm) typed+=("$option" "$value") ;; esac
        case $option in
            --stage) option_number "$option" "$value" 0 "$last_stage"; stage=$((10#$value)) ;;
            --stop-stage) option_number "$option" "$value" 0 "$last_stage"; stop_stage=$((10#$value)) ;;
            --nj) option_number "$option" "$value" 1 4096; nj=$((10#$value)) ;;
            --ngpu) option_number "$option" "$value" 0 1024; ngpu=$((10#$value)) ;;
            --nproc|--nodes) option_number "$option" "$value" 1 4096; training+=("$option" "$((10#$value))") ;;
            --launcher)
                [[ $value =~ ^(local|slurm)$ ]] || option_error "--launcher is local or slurm, not '$value'"
                training+=("$option" "$value")
                ;;
            --slurm)
                local words
                read -ra words <<< "$value"
                training+=("$option" "${words[@]}")
                ;;
            --conf) confs+=("$value") ;;
            --force|--dry-run) option_error "$option takes no value" ;;
            --*.*) option_error "settings go after --, as in: ./run.sh -- $option VALUE" ;;
            *) option_error "unknown option '$option'" ;;
        esac
    done
    [ ${#confs[@]} -gt 0 ] || confs=(conf/train.yaml)
    [ "$stage" -le "$stop_stage" ] || option_error "--stage $stage is after --stop-stage $stop_stage"
}
