# The shell that starts tools in a container: `sh -c`, with two arguments: a mark that ends a tool's
# output, and how much a tool may write, in blocks of 512 bytes.
#
# It reads orders, each with words, and never commands. Its answers go to stderr, a line each:
#
#     started NUMBER PID                  a tool was started; PID is that of its `timeout`
#     ended NUMBER CODE                   a tool has ended
#     answered NUMBER RCHAR NANOSECONDS   a question is answered; `-` for what is not known
exec 3>&2 2>/dev/null
mark=$1 most=$2 newline='
'
words() { # as many as the first line says; each says how many lines it has
    IFS= read -r count || exit
    set --
    while [ "$count" -gt 0 ]; do
        IFS= read -r lines || exit
        IFS= read -r word || exit
        while [ "$lines" -gt 1 ]; do
            IFS= read -r more || exit
            word=$word$newline$more lines=$((lines - 1))
        done
        set -- "$@" "$word"
        count=$((count - 1))
    done
    "$order" "$@"
}
start() { # NUMBER COMMAND...
    number=$1 file=/tmp/.netbench-$mark-$1
    shift
    (
        (ulimit -f "$most"; exec "$@") </dev/null >"$file.1" 2>"$file.2" 3>&- &
        pid=$!
        echo "started $number $pid" >&3
        wait "$pid"
        echo "ended $number $?" >&3
    ) </dev/null >/dev/null &
}
tool_of() { # PID: set `tool` to the one child of that `timeout`, empty if it has none
    tool= # the file has no end of line: `read` has taken what there is, and says that it failed
    read -r tool rest <"/proc/$1/task/$1/children"
    [ -n "$tool" ] || tool=$(pgrep -P "$1")
}
send() { # PID SIGNAL...: to the tool of that `timeout`, as soon as it has one
    timeout=$1 tries=0
    shift
    while [ -e "/proc/$timeout" ] && [ $((tries += 1)) -lt 1000 ]; do
        tool_of "$timeout"
        kill "-$1" ${tool:-nobody} || continue
        shift
        for signal; do kill "-$signal" "$tool"; done
        return
    done
}
count() { # NUMBER PID: how much the tool of that `timeout` has read; halfway around the clock
    first= last= now=
    tool_of "$2"
    read -r name first <"/proc/$tool/io"
    now=$(date +%s%N)
    read -r name last <"/proc/$tool/io"
    [ -n "$first" ] && [ -n "$last" ] && last=$((first + (last - first) / 2))
    echo "answered $1 ${last:--} ${now:--}" >&3
}
echo_back() { # NUMBER
    echo "answered $1 - -" >&3
}
fetch() { # NUMBER BYTES
    file=/tmp/.netbench-$mark-$1
    for output in "$file.1" "$file.2"; do
        [ -s "$output" ] && head -c "$2" "$output"
        printf %s "$mark"
    done
    : >"$file.1" >"$file.2"
}
while IFS= read -r order; do
    case $order in start | send | count | echo_back | fetch) words ;; esac
done
