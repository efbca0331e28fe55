// Command node is process 1 of a container that is a Kubernetes node, and the small programs around it; the name by
// which it is called chooses. As `k3s` it makes one container a whole Kubernetes, on the contract of the image
// rancher/k3s: the same arguments, the same kubeconfig path, the same `ctr` and `kubectl`. As `entrypoint` it makes
// one a node of kind, on the contract of kindest/node. It is neither, and says so.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// version is set by the linker, e.g. v1.36.3.
var version = "v0.0.0"

// contract names the k3s version whose command line this program answers; set by the linker.
var contract = "v0.0.0+k3s1"

const standIn = "registry-only-node"

func main() {
	arguments := os.Args[1:]
	switch name := filepath.Base(os.Args[0]); name {
	case "entrypoint":
		os.Exit(serveKind())
	case "systemctl":
		os.Exit(systemctl(arguments))
	case "journalctl":
		os.Exit(journalctl(arguments))
	case "crictl":
		os.Exit(crictl(arguments))
	case "node-agent":
		os.Exit(agent(arguments))
	case "kubectl", "ctr":
		k3s(append([]string{name}, arguments...))
	default:
		k3s(arguments)
	}
}

func k3s(arguments []string) {
	if len(arguments) == 0 {
		fail("no command; wanted one of: server, agent, kubectl, ctr, --version")
	}
	switch command, rest := arguments[0], arguments[1:]; command {
	case "server":
		options, err := parseOptions(rest)
		if err != nil {
			fail(err.Error())
		}
		os.Exit(serve(options))
	case "agent":
		options, err := parseOptions(rest)
		if err == nil {
			err = options.requireServer()
		}
		if err != nil {
			fail(err.Error())
		}
		os.Exit(serveAgent(options))
	case "kubectl":
		become("/usr/local/lib/kube/kubectl", rest)
	case "ctr":
		become(ctrProgram, rest)
	case "--version", "-v", "version":
		fmt.Printf("%s version %s: a stand-in for k3s %s (upstream Kubernetes; not k3s)\n", standIn, version, contract)
	default:
		fail(fmt.Sprintf("unknown command %q; this stand-in for k3s knows: server, agent, kubectl, ctr, --version", command))
	}
}

// become replaces this process, so that signals and exit codes are the program's own.
func become(path string, arguments []string) {
	if os.Getenv("KUBECONFIG") == "" {
		_ = os.Setenv("KUBECONFIG", userKubeconfig)
	}
	err := syscall.Exec(path, append([]string{filepath.Base(path)}, arguments...), os.Environ())
	fail(fmt.Sprintf("%s: %v", path, err))
}

func fail(message string) {
	fmt.Fprintln(os.Stderr, standIn+": "+message)
	os.Exit(2)
}
