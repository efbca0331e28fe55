package main

import (
	"encoding/json"
	"fmt"
	"os"
)

// CRIU calls its action script (see state.go) at each stage of a dump, with the stage in CRTOOLS_SCRIPT_ACTION. At post-dump everything is written and the processes still stand: the one moment in which files
// and memory fit together. A dump hands on by environment what is to be packed then; without that a call does nothing.
const (
	hookStage = "CRTOOLS_SCRIPT_ACTION"
	// hookTrees is a list of trees as JSON.
	hookTrees = "RUNC_CR_TREES"
	// hookError is the variable with the file for what went wrong.
	hookError = "RUNC_CR_ERROR"
)

// runHook packs a container's files when it is time; it returns the exit code.
func runHook(variable func(string) string) int {
	if variable(hookStage) != "post-dump" || variable(hookTrees) == "" {
		return 0
	}
	if err := packTrees([]byte(variable(hookTrees))); err != nil {
		// The dump reads it from there.
		content, _ := json.Marshal(asFailure(err))
		if err := os.WriteFile(variable(hookError), content, 0o600); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		return 1
	}
	return 0
}

func packTrees(list []byte) error {
	var trees []tree
	if err := json.Unmarshal(list, &trees); err != nil {
		return err
	}
	for _, one := range trees {
		if err := packTree(one.Folder, one.Archive); err != nil {
			return err
		}
	}
	return nil
}
