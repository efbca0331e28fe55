package main

import (
	"encoding/json"
	"fmt"
	"os"
)

// CRIU calls its action scripts (/etc/criu/runc.conf) at each stage of a dump or a restore, with the stage in
// CRTOOLS_SCRIPT_ACTION. At post-dump everything is written and the processes still stand: the one moment in which files
// and memory fit together. A dump hands on by environment what is to be packed then; without that a call does nothing.
const (
	hookStage = "CRTOOLS_SCRIPT_ACTION"
	hookUpper = "RUNC_CR_UPPER"
	hookDiff  = "RUNC_CR_DIFF"
	// hookError follows the name of the archive that could not be written.
	hookError = ".error"
)

// runHook packs the changes of the root file system when it is time; it returns the exit code.
func runHook(variable func(string) string) int {
	upper, diff := variable(hookUpper), variable(hookDiff)
	if variable(hookStage) != "post-dump" || upper == "" || diff == "" {
		return 0
	}
	if err := packTree(upper, diff); err != nil {
		// The dump reads it from there.
		content, _ := json.Marshal(asFailure(err))
		if err := os.WriteFile(diff+hookError, content, 0o600); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		return 1
	}
	return 0
}
