package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"
)

// What an agent's parts log in with, and what its kubelet answers with.
const (
	agentPKI        = stateFolder + "/agent/tls"
	agentKubeconfig = stateFolder + "/agent/agent.kubeconfig"
)

// serveAgent runs a node of another container's server until a signal; it returns the exit code.
func serveAgent(o *options) int {
	say("%s %s: a stand-in for a k3s %s agent made of upstream Kubernetes; not k3s", standIn, version, contract)
	if len(o.ignored) > 0 {
		say("flags of k3s that mean nothing here: %s", strings.Join(o.ignored, " "))
	}
	s := newSupervisor()
	return s.untilSignal(func(ctx context.Context) error { return bootAgent(ctx, s, o) }, func() { s.stop(1500*time.Millisecond, stateful...) })
}

// requireServer says what an agent lacks.
func (o *options) requireServer() error {
	if !strings.HasPrefix(o.server, "https://") || o.token == "" {
		return fmt.Errorf("agent: wanted --server=https://NAME:6443 or K3S_URL, and K3S_TOKEN")
	}
	return nil
}

func bootAgent(ctx context.Context, s *supervisor, o *options) error {
	if err := prepareNode(s); err != nil {
		return err
	}
	s.keep(containerd)
	imported := make(chan struct{})
	go func() {
		defer close(imported)
		importImages(ctx, s, []image{pause()})
	}()
	answer, err := join(ctx, o)
	if err != nil {
		return err
	}
	say("joined %s as %s with address %s", o.server, o.nodeName, o.address)
	if err := writeAgentFiles(o, answer); err != nil {
		return err
	}
	<-imported
	s.keep(kubelet(o))
	s.keep(kubeProxy(o, agentKubeconfig))
	s.keep(networkPolicies(o, agentKubeconfig))
	client, err := clientOf(agentKubeconfig)
	if err != nil {
		return err
	}
	connectPods(ctx, client, o)
	keepVolumes(ctx, client, o)
	until(ctx, "the node", func() error { return nodeReady(ctx, client, o.nodeName) })
	say("node ready")
	return nil
}

func writeAgentFiles(o *options, answer joinAnswer) error {
	if err := os.MkdirAll(agentPKI, 0o700); err != nil {
		return err
	}
	return writeAll(map[string]string{
		agentPKI + "/ca.crt": string(answer.CA), agentPKI + "/kubelet.crt": string(answer.KubeletCert), agentPKI + "/kubelet.key": string(answer.KubeletKey),
		nodeKubeconfig:  kubeconfig(o.server, answer.CA, answer.KubeletCert, answer.KubeletKey),
		agentKubeconfig: kubeconfig(o.server, answer.CA, answer.AgentCert, answer.AgentKey),
		kubeletConfig:   kubeletYAML(o, agentPKI), podResolvConf: podResolvers(o),
	})
}
