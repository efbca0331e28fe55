package main

import (
	"fmt"
	"os/exec"
	"strconv"
	"strings"
)

// chain holds the rules, in the table that is passed after addresses of Services were replaced and before a node's own
// address is put in the place of a pod's.
const chain = "POD-POLICIES"

// Pods' links as the CNI plugin ptp names their ends in the node.
const links = "veth+"

// body is what becomes of a packet that comes from a pod or goes to one. Packets from the node itself do not come here: a
// node reaches its own pods whatever policies say, as Kubernetes wants it.
var body = [][]string{
	{"-m", "conntrack", "--ctstate", "ESTABLISHED,RELATED", "-j", "RETURN"},
	// Neither the begin of a connection nor a part of one; the engine could not read it.
	{"-m", "conntrack", "--ctstate", "INVALID", "-j", "DROP"},
	// Without --queue-bypass: where nobody answers, nothing passes.
	{"-j", "NFQUEUE", "--queue-num", strconv.Itoa(queue)},
}

// jumps lead to the chain: from pods to others and to the node itself, and to pods.
var jumps = [][]string{
	{"FORWARD", "-i", links, "-j", chain}, {"FORWARD", "!", "-i", links, "-o", links, "-j", chain}, {"INPUT", "-i", links, "-j", chain},
}

// setRules makes the rules these, in one step, whatever they were.
func setRules() error {
	var text strings.Builder
	fmt.Fprintf(&text, "*mangle\n:%s - [0:0]\n", chain)
	for _, rule := range body {
		fmt.Fprintf(&text, "-A %s %s\n", chain, strings.Join(rule, " "))
	}
	for _, jump := range jumps {
		if exec.Command("iptables", append([]string{"-w", "-t", "mangle", "-C"}, jump...)...).Run() != nil {
			fmt.Fprintf(&text, "-A %s\n", strings.Join(jump, " "))
		}
	}
	restore := exec.Command("iptables-restore", "-w", "--noflush")
	restore.Stdin = strings.NewReader(text.String() + "COMMIT\n")
	if output, err := restore.CombinedOutput(); err != nil {
		return fmt.Errorf("the rules cannot be set: %w: %s", err, strings.TrimSpace(string(output)))
	}
	return nil
}
