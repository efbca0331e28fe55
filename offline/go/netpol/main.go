// Command network-policies enforces NetworkPolicies on one node, with the engine that kind itself uses:
// sigs.k8s.io/kube-network-policies. A rule of iptables hands the first packet of each connection to the engine, which
// decides by the policies as they are. `rules` sets the rules and ends; `run` answers for the packets until it is stopped.
//
// The rules are a node's own, because the engine's need nft_queue, which not every kernel has, and do not look at packets
// from a pod to its node. They are set before a pod can have a network, and nothing answers for them until the engine knows
// the cluster: until then, and whenever it is gone, no new connection of a pod comes about.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/kube-network-policies/pkg/networkpolicy"
)

// queue is the number by which rules and engine know each other.
const queue = 100

func main() {
	if len(os.Args) < 2 {
		fail(fmt.Errorf("no command; expected one of: rules, run"))
	}
	switch command := os.Args[1]; command {
	case "rules":
		fail(setRules())
	case "run":
		flags := flag.NewFlagSet(command, flag.ExitOnError)
		kubeconfig := flags.String("kubeconfig", "", "how to reach the API server; empty: the pod's account")
		node := flags.String("node", "", "name of this node")
		_ = flags.Parse(os.Args[2:])
		fail(run(*kubeconfig, *node))
	default:
		fail(fmt.Errorf("unknown command %q; expected one of: rules, run", command))
	}
}

// run answers for packets until a signal.
func run(kubeconfig, node string) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	quieten()
	config, err := access(kubeconfig)
	if err != nil {
		return err
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	if err := awaitAPI(ctx, client); err != nil {
		return err
	}
	if err := followRuntime(ctx); err != nil {
		return err
	}
	factory := informers.NewSharedInformerFactory(client, 0)
	controller, err := networkpolicy.NewController(client, factory.Networking().V1().NetworkPolicies(), factory.Core().V1().Namespaces(),
		factory.Core().V1().Pods(), nil, nil, nil, nil, networkpolicy.Config{QueueID: queue, NodeName: node, NFTableName: "network-policies"})
	if err != nil {
		return err
	}
	factory.Start(ctx.Done())
	return controller.Run(ctx)
}

// access is the way to the API server. kind names an address of it that works before Services do.
func access(kubeconfig string) (*rest.Config, error) {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, err
	}
	if endpoint := os.Getenv("CONTROL_PLANE_ENDPOINT"); kubeconfig == "" && endpoint != "" {
		config.Host = "https://" + endpoint
	}
	config.AcceptContentTypes, config.ContentType = "application/vnd.kubernetes.protobuf,application/json", "application/vnd.kubernetes.protobuf"
	return config, nil
}

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "network-policies: "+err.Error())
		os.Exit(1)
	}
	os.Exit(0)
}
