package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// call is a command line of an OCI runtime, as containerd makes it: `--root R --log L create --bundle B … ID`.
type call struct {
	global    []string
	command   string
	arguments []string
}

// Flags of runc that take a value; without a value behind `=` it is the next word.
var (
	globalValues = map[string]bool{"root": true, "log": true, "log-format": true, "rootless": true, "criu": true}
	createValues = map[string]bool{"bundle": true, "b": true, "console-socket": true, "pid-file": true, "pidfd-socket": true, "preserve-fds": true}
)

func parseCall(words []string) call {
	for i := 0; i < len(words); i++ {
		name, isFlag, inline := flagOf(words[i])
		if !isFlag {
			return call{global: words[:i], command: words[i], arguments: words[i+1:]}
		}
		if globalValues[name] && !inline {
			i++
		}
	}
	return call{global: words}
}

// flagOf takes a flag apart: its name, whether the word is one, whether its value stands in the same word.
func flagOf(word string) (name string, isFlag, inline bool) {
	if len(word) < 2 || word[0] != '-' || word == "--" {
		return "", false, false
	}
	name, _, inline = strings.Cut(strings.TrimLeft(word, "-"), "=")
	return name, true, inline
}

// valueOf finds the value of a flag among words.
func valueOf(words []string, names ...string) string {
	for i, word := range words {
		flag, isFlag, inline := flagOf(word)
		for _, name := range names {
			if !isFlag || flag != name {
				continue
			}
			if inline {
				_, value, _ := strings.Cut(word, "=")
				return value
			}
			if i+1 < len(words) {
				return words[i+1]
			}
		}
	}
	return ""
}

// id is the container's: the last word.
func (c call) id() string {
	if len(c.arguments) == 0 {
		return ""
	}
	return c.arguments[len(c.arguments)-1]
}

func (c call) root() string {
	if root := valueOf(c.global, "root"); root != "" {
		return root
	}
	return "/run/runc"
}

// runRuntime answers a call of containerd; it returns the exit code unless runc takes this process over.
func runRuntime(words []string) int {
	c := parseCall(words)
	var err error
	switch c.command {
	case "create":
		var done bool
		if done, err = c.create(); done && err == nil {
			return 0
		}
	case "start":
		if c.isRestored() {
			return 0
		}
	}
	if err == nil {
		err = becomeRunc(words)
	}
	return c.report(err)
}

// becomeRunc replaces this process, so that signals, pipes and exit codes are runc's own.
func becomeRunc(words []string) error {
	runc, err := find("runc")
	if err != nil {
		return err
	}
	return syscall.Exec(runc, append([]string{"runc"}, words...), os.Environ())
}

// isRestored tells whether a container runs since it was restored: there is nothing to start then.
func (c call) isRestored() bool {
	state, err := readState(c.root(), c.id())
	if err != nil || waitsForStart(c.root(), c.id()) || !state.alive() {
		return false
	}
	s, err := readSpec(state.bundle())
	return err == nil && s.restoreID() != ""
}

// report tells an error as runc does: in the file of --log, from which containerd takes the last one into the pod's events.
func (c call) report(err error) int {
	entry := fmt.Sprintf("%v\n", err)
	if valueOf(c.global, "log-format") == "json" {
		line, _ := json.Marshal(map[string]string{"level": "error", "msg": err.Error(), "time": time.Now().UTC().Format(time.RFC3339)})
		entry = string(line) + "\n"
	}
	if log := valueOf(c.global, "log"); log != "" {
		if file, failed := os.OpenFile(filepath.Clean(log), os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o644); failed == nil {
			_, _ = file.WriteString(entry)
			_ = file.Close()
			return 1
		}
	}
	fmt.Fprint(os.Stderr, entry)
	return 1
}
