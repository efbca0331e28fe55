package main

import (
	"flag"
	"io"
	"strings"
)

const usage = `runc-cr: checkpoint and restore of containers on a node

  runc-cr dump --container CID --id UUID [--runc-root DIR] [--max-bytes N]
  runc-cr verify UUID
  runc-cr remove UUID
  runc-cr list
  runc-cr sweep
  runc-cr check

Every command prints JSON; a failure is {"code","message","criu"} on stderr with exit code 1.
The store is /var/lib/runc-cr, or what RUNC_CR_STORE names. Any other call goes to runc.
`

// tools are the commands of the node's tool; each gives what is printed.
var tools = map[string]func([]string) (any, error){
	"dump":   dumpTool,
	"verify": func(arguments []string) (any, error) { return ofCheckpoint(arguments, verify) },
	"remove": func(arguments []string) (any, error) { return ofCheckpoint(arguments, remove) },
	"list": func(arguments []string) (any, error) {
		return alone(arguments, func(s *store) (any, error) { return answer(s.list()) })
	},
	"sweep": func(arguments []string) (any, error) {
		return alone(arguments, func(s *store) (any, error) { return answer(s.sweep()) })
	},
	"check": func(arguments []string) (any, error) {
		return alone(arguments, func(*store) (any, error) { return answer(check()) })
	},
}

// answer keeps a pointer to nothing from being printed as one.
func answer[T any](value *T, err error) (any, error) {
	if value == nil {
		return nil, err
	}
	return value, err
}

func verify(s *store, id string) (any, error) { return answer(s.verify(id)) }
func remove(s *store, id string) (any, error) { return answer(s.remove(id)) }

func dumpTool(arguments []string) (any, error) {
	var request dumpRequest
	flags := flag.NewFlagSet("dump", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.StringVar(&request.runcRoot, "runc-root", "/run/containerd/runc/k8s.io", "")
	flags.StringVar(&request.container, "container", "", "")
	flags.StringVar(&request.id, "id", "", "")
	flags.Int64Var(&request.maxBytes, "max-bytes", 0, "")
	if err := flags.Parse(arguments); err != nil {
		return nil, failf(codeUsage, "dump: %v", err)
	}
	if flags.NArg() > 0 {
		return nil, failf(codeUsage, "dump: %q is too much", flags.Arg(0))
	}
	if request.container == "" || strings.Contains(request.container, "/") || strings.HasPrefix(request.container, ".") {
		return nil, failf(codeUsage, "dump: --container %q is no container id", request.container)
	}
	if !validID(request.id) {
		return nil, failf(codeUsage, "dump: --id %q is no UUID in lower case", request.id)
	}
	if request.maxBytes < 0 {
		return nil, failf(codeUsage, "dump: --max-bytes %d is less than nothing", request.maxBytes)
	}
	s, err := openStore()
	if err != nil {
		return nil, err
	}
	return answer(s.dump(request))
}

// ofCheckpoint runs a command whose one argument is a checkpoint's id.
func ofCheckpoint(arguments []string, work func(*store, string) (any, error)) (any, error) {
	if len(arguments) != 1 || !validID(arguments[0]) {
		return nil, failf(codeUsage, "wanted one UUID in lower case, got %q", arguments)
	}
	s, err := openStore()
	if err != nil {
		return nil, err
	}
	return work(s, arguments[0])
}

// alone runs a command that takes no arguments.
func alone(arguments []string, work func(*store) (any, error)) (any, error) {
	if len(arguments) > 0 {
		return nil, failf(codeUsage, "%q is too much", arguments[0])
	}
	s, err := openStore()
	if err != nil {
		return nil, err
	}
	return work(s)
}
