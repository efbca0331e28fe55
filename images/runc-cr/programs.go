package main

import (
	"os"
	"os/exec"
	"strings"
)

// ownPrograms comes first in PATH: CRIU needs GNU's tar where a node's own is another, and a criu that is newer.
const ownPrograms = "/usr/local/lib/runc-cr/bin"

// programFolders are where runc and criu may be, beside PATH: a call through nsenter has the caller's.
var programFolders = []string{"/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin", "/var/lib/rancher/k3s/data/current/bin"}

// searchPath is the PATH in which runc, criu and what they call are looked for.
func searchPath() string {
	folders := []string{ownPrograms}
	if own := os.Getenv("PATH"); own != "" {
		folders = append(folders, own)
	}
	return strings.Join(append(folders, programFolders...), ":")
}

// find gives the path of a program of the node.
func find(name string) (string, error) {
	if err := os.Setenv("PATH", searchPath()); err != nil {
		return "", err
	}
	return exec.LookPath(name)
}

// environment is this process's, with more variables.
func environment(more ...string) []string {
	return append(os.Environ(), more...)
}
