# To be sourced: a Windows of its own under Wine, in the folder WINEPREFIX, which must not be there yet.
#
# Nothing of Wine may get a pipe for its output: its services would keep it open for as long as they run.

export WINEARCH=win64 WINEDLLOVERRIDES='winedbg.exe=d;mscoree=;mshtml='
# What is written to the event log is shown by Wine in the output of whoever wrote it: that of the services is wine.log.
export WINEDEBUG=-all,+eventlog
: "${WINEPREFIX:?}"
wineserver=/usr/lib/wine/wineserver

# The first start only makes the folder: the services of that one would not know those that are installed later. The second is a
# boot, with a server that stays, so that a service outlives the command that started it.
wine_up() {
    mkdir -p "$WINEPREFIX"
    {
        wine wineboot -i
        $wineserver -w
        x86_64-w64-mingw32-gcc -shared -O2 -s -o "$WINEPREFIX/drive_c/windows/system32/bcryptprimitives.dll" \
            tests/windows/bcryptprimitives.c -ladvapi32
        wine winecfg -v win10
        $wineserver -w
        $wineserver -p
        wine wineboot
    } </dev/null >"$WINEPREFIX/wine.log" 2>&1 || {
        cat "$WINEPREFIX/wine.log" >&2
        return 1
    }
}

wine_down() {
    $wineserver -k >/dev/null 2>&1 || true
}

# Runs a program of Windows and prints what it says. Now and then Wine cannot start one, while its desktop is just ending; that
# says nothing about us, and the next time it can.
w() {
    local code try
    for try in 1 2 3; do
        code=0
        timeout "${LIMIT:-120}" wine "$@" </dev/null >"$WINEPREFIX/out" 2>"$WINEPREFIX/err" || code=$?
        grep -q '^ShellExecuteEx failed: Internal error' "$WINEPREFIX/out" "$WINEPREFIX/err" || break
        sleep "$try"
    done
    tr -d '\r' <"$WINEPREFIX/out"
    grep -v ':eventlog:' "$WINEPREFIX/err" | tr -d '\r' >&2 || true
    return $code
}
