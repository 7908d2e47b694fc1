#!/usr/bin/env bash
# One run for a CI job, configured by the environment: PROFILES, ARGS, BASELINE, FAIL_ON, OUT. Leaves matrix.md,
# matrix.html and junit.xml in OUT whatever the verdicts are, appends the matrix to the job's summary where the job has
# one, and ends with the run's exit code.
set -uo pipefail
out=${OUT:-plugfest-out}
plugfest=$(command -v plugfest) || { echo "plugfest is not installed" >&2; exit 2; }
gate=()
if [ -n "${BASELINE:-}" ]; then gate+=(--baseline "$BASELINE"); fi
if [ -n "${FAIL_ON:-}" ]; then gate+=(--fail-on "$FAIL_ON"); fi
as_root=()
if [ "$(id -u)" != 0 ] && sudo -n true 2>/dev/null; then as_root=(sudo); fi
# PROFILES and ARGS are lists of words
# shellcheck disable=SC2086
"${as_root[@]}" "$plugfest" run ${PROFILES:-} --out "$out" "${gate[@]}" ${ARGS:-}
code=$?
if [ "${#as_root[@]}" -gt 0 ] && [ -d "$out" ]; then sudo chown -R "$(id -u):$(id -g)" "$out"; fi
if compgen -G "$out/*/report.json" >/dev/null; then
  "$plugfest" matrix "$out" --html "$out/matrix.html" >/dev/null || true
  if [ -n "${GITHUB_STEP_SUMMARY:-}" ]; then cat "$out/matrix.md" >>"$GITHUB_STEP_SUMMARY"; fi
  if [ -n "${BASELINE:-}" ]; then
    "$plugfest" diff "$BASELINE" "$out" --format markdown >"$out/difference.md" || true
    if [ -n "${GITHUB_STEP_SUMMARY:-}" ]; then cat "$out/difference.md" >>"$GITHUB_STEP_SUMMARY"; fi
  fi
  if [ -n "${GITHUB_OUTPUT:-}" ]; then
    printf 'junit=%s\npage=%s\n' "$out/junit.xml" "$out/matrix.html" >>"$GITHUB_OUTPUT"
  fi
fi
exit "$code"
