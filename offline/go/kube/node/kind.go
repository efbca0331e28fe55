package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"
)

const (
	kindFolder      = "/kind"
	kubeletSettings = "/var/lib/kubelet/config.yaml"
	kubeletFlags    = "/var/lib/kubelet/kubeadm-flags.env"
	containerdGone  = 10 * time.Second
)

// serveKind is process 1 of a node of kind: it does what systemd does in kindest/node. It returns the exit code.
func serveKind() int {
	logFolder = "/var/log/node"
	say("%s %s: a stand-in for kindest/node made of upstream Kubernetes; no systemd here", standIn, version)
	s := newSupervisor()
	return s.untilSignal(func(ctx context.Context) error { return bootKind(ctx, s) }, func() { stopKind(s) })
}

func bootKind(ctx context.Context, s *supervisor) error {
	if err := prepareKind(s); err != nil {
		return err
	}
	imported := make(chan struct{})
	units := kindUnits(s, imported)
	if err := units.listen(ctx); err != nil {
		return err
	}
	s.keep(units.byName["containerd"].component)
	images, err := kindImages(s)
	if err != nil {
		return err
	}
	// kind waits half a minute for this line. Nothing that it does next needs the images before the kubelet starts.
	say("Reached target Multi-User System: commands may come")
	importImages(ctx, s, images)
	close(imported)
	if _, err := os.Stat(kubeletSettings); err == nil {
		return units.start("kubelet")
	}
	return nil
}

func prepareKind(s *supervisor) error {
	for _, folder := range []string{logFolder, "/run/containerd", controlFolder, "/etc/cni/net.d", "/etc/kubernetes/manifests", kubeletDropIns} {
		if err := os.MkdirAll(folder, 0o755); err != nil {
			return err
		}
	}
	if err := ensureMachineID(); err != nil {
		return err
	}
	if err := prepareHost(s); err != nil {
		return err
	}
	// The network's agent writes it again once the rules of network policies are there, so no pod comes before them.
	if err := os.Remove(cniFile); err != nil && !os.IsNotExist(err) {
		return err
	}
	// kind tells the kubelet to keep its pods below this group.
	if err := makeCgroup("kubelet"); err != nil {
		return fmt.Errorf("cgroups: %w", err)
	}
	if err := prepareResolver(s); err != nil {
		return fmt.Errorf("DNS: %w", err)
	}
	return followAddress(s)
}

// ensureMachineID gives the node an identity of its own, once.
func ensureMachineID() error {
	const file = "/etc/machine-id"
	if info, err := os.Stat(file); err == nil && info.Size() > 0 {
		return nil
	}
	id := make([]byte, 16)
	if _, err := rand.Read(id); err != nil {
		return err
	}
	return os.WriteFile(file, []byte(hex.EncodeToString(id)+"\n"), 0o444)
}

// kindUnits are the services that `systemctl` knows in this node.
func kindUnits(s *supervisor, imported <-chan struct{}) *units {
	return &units{supervisor: s, byName: map[string]unit{
		"containerd": {
			component: containerd,
			answers:   func() error { return s.run(ctrProgram, "--connect-timeout=1s", "version") },
		},
		"kubelet": {
			component: component{name: "kubelet", argv: []string{
				kubeBinary + "kubelet", "--bootstrap-kubeconfig=/etc/kubernetes/bootstrap-kubelet.conf", "--kubeconfig=/etc/kubernetes/kubelet.conf",
				"--config=" + kubeletSettings, "--config-dir=" + kubeletDropIns, "--resolv-conf=" + kindResolvConf,
			}, more: kubeadmArguments},
			needsFile: kubeletSettings,
			// Without them it would try to pull what no registry here has, and wait longer each time.
			after: imported,
		},
	}}
}

// kubeadmArguments are the flags that kubeadm, and after it the user, leave in environment files.
func kubeadmArguments() []string {
	var arguments []string
	for _, file := range []struct{ path, variable string }{{kubeletFlags, "KUBELET_KUBEADM_ARGS="}, {"/etc/default/kubelet", "KUBELET_EXTRA_ARGS="}} {
		content, _ := os.ReadFile(file.path)
		for _, line := range strings.Split(string(content), "\n") {
			if value, found := strings.CutPrefix(strings.TrimSpace(line), file.variable); found {
				arguments = append(arguments, strings.Fields(strings.Trim(value, `"'`))...)
			}
		}
	}
	return arguments
}

// stopKind ends what runs in pods too: the kubelet first, so that it starts nothing again, then everything.
func stopKind(s *supervisor) {
	s.stop(0)
	_ = syscall.Kill(-1, syscall.SIGTERM)
	for deadline := time.Now().Add(2 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if syscall.Kill(-1, 0) != nil {
			return
		}
	}
}
