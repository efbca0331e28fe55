package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

// serve runs the node until a signal; it returns the exit code.
func serve(o *options) int {
	say("%s %s: a stand-in for k3s %s made of upstream Kubernetes; not k3s", standIn, version, contract)
	if len(o.ignored) > 0 {
		say("flags of k3s that mean nothing here: %s", strings.Join(o.ignored, " "))
	}
	s := newSupervisor()
	return s.untilSignal(func(ctx context.Context) error { return bootServer(ctx, s, o) }, func() { s.stop(1500*time.Millisecond, stateful...) })
}

// untilSignal runs the node: `boot` brings it up, a signal ends it by `stop`. It returns the exit code.
func (s *supervisor) untilSignal(boot func(context.Context) error, stop func()) int {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	failed := make(chan error, 1)
	go func() { failed <- boot(ctx) }()
	go trimLogs()
	for {
		select {
		case err := <-failed:
			if err != nil {
				say("the node cannot start: %v", err)
				return 1
			}
		case received := <-signals:
			say("%s: stopping", received)
			cancel()
			stop()
			return 0
		}
	}
}

// prepareServer does what needs no other process: mounts, addresses, certificates, configuration.
func prepareServer(s *supervisor, o *options) error {
	// Who waits for this file waits for this start, not for the one before.
	if err := os.Remove(userKubeconfig); err != nil && !os.IsNotExist(err) {
		return err
	}
	if o.token != "" {
		address, err := ownAddress()
		if err != nil {
			return err
		}
		o.address = address
	}
	if err := prepareNode(s); err != nil {
		return err
	}
	if err := preparePKI(o); err != nil {
		return fmt.Errorf("certificates: %w", err)
	}
	return writeFiles(o)
}

// prepareNode does what a server and an agent have in common.
func prepareNode(s *supervisor) error {
	for _, folder := range []string{logFolder, "/run/k3s/containerd", "/run/containerd", "/var/lib/cni", storageFolder} {
		if err := os.MkdirAll(folder, 0o755); err != nil {
			return err
		}
	}
	link := "/run/containerd/containerd.sock"
	_ = os.Remove(link)
	if err := os.Symlink("/run/k3s/containerd/containerd.sock", link); err != nil {
		return err
	}
	if err := prepareHost(s); err != nil {
		return err
	}
	// Before there can be a pod: what is not decided yet does not pass.
	return s.run(policiesProgram, "rules")
}

// bootServer brings the cluster up, and says how far it is.
func bootServer(ctx context.Context, s *supervisor, o *options) error {
	if err := prepareServer(s, o); err != nil {
		return err
	}
	for _, c := range foundation(o) {
		s.keep(c)
	}
	client, err := clientOf(adminKubeconfig)
	if err != nil {
		return err
	}
	imported := make(chan struct{})
	go func() {
		defer close(imported)
		importImages(ctx, s, []image{pause()})
	}()
	until(ctx, "the API server", func() error {
		_, err := client.Discovery().RESTClient().Get().AbsPath("/livez/ping").DoRaw(ctx)
		return err
	})
	say("API server answers")
	for _, c := range controlPlane(o) {
		s.keep(c)
	}
	until(ctx, "the cluster's own objects", func() error { return ensureObjects(ctx, client, o) })
	content, err := os.ReadFile(adminKubeconfig)
	if err != nil {
		return err
	}
	if o.token != "" {
		if err := admitAgents(ctx, client, o); err != nil {
			return err
		}
		connectPods(ctx, client, o)
	}
	<-imported
	if err := writeWhole(userKubeconfig, content, 0o600); err != nil {
		return err
	}
	go func() {
		// Earlier, its first watches would be refused while the API server fills its caches, and be repeated seconds later.
		until(ctx, "the API server's caches", func() error {
			_, err := client.Discovery().RESTClient().Get().AbsPath("/readyz").DoRaw(ctx)
			return err
		})
		say("API server ready")
		runDNS(ctx, s, client, o)
	}()
	keepVolumes(ctx, client, o)
	until(ctx, "the node", func() error { return nodeReady(ctx, client, o.nodeName) })
	say("node ready")
	return nil
}

func clientOf(kubeconfig string) (kubernetes.Interface, error) {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, err
	}
	config.QPS, config.Burst = 50, 100
	return kubernetes.NewForConfig(config)
}

func keepVolumes(ctx context.Context, client kubernetes.Interface, o *options) {
	if o.disabled["local-storage"] {
		return
	}
	go func() {
		if err := provision(ctx, client, storage{nodeName: o.nodeName, folder: storageFolder}); err != nil {
			say("provisioner: %v", err)
		}
	}()
}

func connectPods(ctx context.Context, client kubernetes.Interface, o *options) {
	go func() {
		if err := (podNetwork{nodeName: o.nodeName, clusterCIDR: o.clusterCIDR}).run(ctx, client); err != nil {
			say("pod network: %v", err)
		}
	}()
}

// until tries again until there is no error, and every ten seconds says what it waits for and why.
func until(ctx context.Context, what string, try func() error) {
	next := time.Now().Add(10 * time.Second)
	for {
		err := try()
		if err == nil || ctx.Err() != nil {
			return
		}
		if time.Now().After(next) {
			say("waiting for %s: %v", what, err)
			next = time.Now().Add(10 * time.Second)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(50 * time.Millisecond):
		}
	}
}
