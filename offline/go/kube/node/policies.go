package main

import (
	"context"
	"os"
	"os/exec"
	"time"
)

// policiesProgram is the engine for NetworkPolicies, a program of its own (go/netpol), where a node has it.
const policiesProgram = "/usr/local/lib/node/network-policies"

// networkPolicies keeps the engine on a node whose process 1 knows the cluster.
func networkPolicies(o *options, kubeconfig string) component {
	return component{name: "network-policies", argv: []string{policiesProgram, "run", "--kubeconfig=" + kubeconfig, "--node=" + o.nodeName}}
}

// servePolicies keeps the engine in a pod of the node, beside the pod's duty, until the context ends. The rules are
// there when it returns.
func servePolicies(ctx context.Context, node string) error {
	program := func(arguments ...string) error {
		// The agent's image has it beside the agent.
		command := exec.CommandContext(ctx, "/network-policies", arguments...)
		command.Stdout, command.Stderr = os.Stdout, os.Stderr
		return command.Run()
	}
	if err := program("rules"); err != nil {
		return err
	}
	go func() {
		for ctx.Err() == nil {
			say("network policies: %v", program("run", "--node="+node))
			select {
			case <-ctx.Done():
			case <-time.After(200 * time.Millisecond):
			}
		}
	}()
	return nil
}
