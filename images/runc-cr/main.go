// Command runc-cr stands on a Kubernetes node beside runc and criu. It is the OCI runtime of a containerd handler, which
// restores containers from checkpoints and otherwise is runc, and the tool that makes and keeps these checkpoints.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

// version is that of the command line and of the manifest.
var version = "0.1.0"

// hookName is the name under which CRIU calls this program; see hook.go.
const hookName = "criu-hook"

func main() {
	arguments := os.Args[1:]
	switch {
	case filepath.Base(os.Args[0]) == hookName:
		os.Exit(runHook(os.Getenv))
	case len(arguments) > 0 && isTool(arguments[0]):
		os.Exit(runTool(arguments[0], arguments[1:]))
	default:
		os.Exit(runRuntime(arguments))
	}
}

func isTool(word string) bool {
	_, known := tools[word]
	return known || word == "--version" || word == "help"
}

// runTool runs a command of the node's tool; it returns the exit code.
func runTool(name string, arguments []string) int {
	if name == "--version" {
		fmt.Println("runc-cr", version)
		return 0
	}
	if name == "help" {
		fmt.Print(usage)
		return 0
	}
	if len(arguments) == 1 && (arguments[0] == "--help" || arguments[0] == "-h") {
		fmt.Print(usage)
		return 0
	}
	answer, err := runAsRoot(tools[name], arguments)
	if answer != nil {
		if printed := json.NewEncoder(os.Stdout).Encode(answer); printed != nil && err == nil {
			err = printed
		}
	}
	if err == nil {
		return 0
	}
	_ = json.NewEncoder(os.Stderr).Encode(asFailure(err))
	return 1
}

func runAsRoot(tool func([]string) (any, error), arguments []string) (any, error) {
	if os.Geteuid() != 0 {
		return nil, failf(codeNotRoot, "run as uid %d, wanted root", os.Geteuid())
	}
	return tool(arguments)
}
