#!/usr/bin/env bash
# One run for a CI job, configured by the environment: PROFILES, ARGS, BASELINE, FAIL_ON, OUT. Leaves matrix.md,
# matrix.html, summary.md, gate.json and junit.xml in OUT whatever the verdicts are. On GitHub it appends the summary to
# the job's, annotates each failure and sets the outputs. It ends with the run's exit code.
set -uo pipefail
out=${OUT:-plugfest-out}
plugfest=$(command -v plugfest) || { echo "plugfest is not installed" >&2; exit 2; }
words() { # the words of a text, quoted ones whole, each ended by a null character
  python3 -c 'import shlex, sys; print("".join(f"{word}\0" for word in shlex.split(sys.argv[1])), end="")' "$1"
}
mapfile -d '' -t profiles < <(words "${PROFILES:-}")
mapfile -d '' -t further < <(words "${ARGS:-}")
gate=()
if [ -n "${BASELINE:-}" ]; then gate+=(--baseline "$BASELINE"); fi
if [ -n "${FAIL_ON:-}" ]; then gate+=(--fail-on "$FAIL_ON"); fi
as_root=()
if [ "$(id -u)" != 0 ] && sudo -n true 2>/dev/null; then as_root=(sudo); fi
"${as_root[@]}" "$plugfest" run "${profiles[@]}" --out "$out" "${gate[@]}" "${further[@]}"
code=$?
if [ "${#as_root[@]}" -gt 0 ] && [ -d "$out" ]; then sudo chown -R "$(id -u):$(id -g)" "$out"; fi
if [ -n "${GITHUB_STEP_SUMMARY:-}" ] && [ -f "$out/summary.md" ]; then cat "$out/summary.md" >>"$GITHUB_STEP_SUMMARY"; fi
if [ -n "${GITHUB_OUTPUT:-}" ]; then
  printf '%s\n' "junit=$out/junit.xml" "page=$out/matrix.html" "exit-code=$code" >>"$GITHUB_OUTPUT"
  if [ -f "$out/gate.json" ]; then python3 - "$out/gate.json" >>"$GITHUB_OUTPUT" <<'PYTHON'
import json, sys
gate = json.load(open(sys.argv[1]))
print(f"result={gate['result']}")
for verdict in ("pass", "fail", "inconclusive"):
    print(f"{verdict}={gate['counts'].get(verdict, 0)}")
PYTHON
  fi
fi
if [ "${GITHUB_ACTIONS:-}" = true ] && [ -f "$out/gate.json" ]; then python3 - "$out/gate.json" <<'PYTHON'
import json, sys
def safe(text, also=""):
    return "".join(f"%{ord(each):02X}" if each in "%\r\n" + also else each for each in text)
for each in json.load(open(sys.argv[1]))["failures"][:10]: # GitHub shows ten
    title = safe(f"{each['requirement']} ({each['level']}), {each['implementation']}", ":,")
    print(f"::error title={title}::{safe(each['seen'])}")
PYTHON
fi
exit "$code"
