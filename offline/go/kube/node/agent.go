package main

import (
	"context"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"os/signal"
	"syscall"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// agent does one duty of a node as a pod of it, for nodes whose process 1 knows no cluster; it returns the exit code.
// The node's file system is mounted at the root that it is told.
func agent(arguments []string) int {
	if len(arguments) == 0 {
		fail("no duty; wanted one of: network, storage")
	}
	flags := flag.NewFlagSet(arguments[0], flag.ExitOnError)
	root := flags.String("root", "/host", "folder where the node's files are")
	cidr := flags.String("cluster-cidr", "", "range of all pods (network)")
	folder := flags.String("folder", "", "folder of the node for volumes (storage)")
	if err := flags.Parse(arguments[1:]); err != nil {
		fail(err.Error())
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	client, err := clusterClient(ctx)
	if err != nil {
		fail(err.Error())
	}
	switch node := os.Getenv("NODE_NAME"); arguments[0] {
	case "network":
		pods, parseError := netip.ParsePrefix(*cidr)
		if parseError != nil || !pods.Addr().Is4() {
			fail(fmt.Sprintf("--cluster-cidr=%s: one IPv4 range is wanted; others this stand-in cannot route", *cidr))
		}
		if err = servePolicies(ctx, node); err != nil {
			break
		}
		err = podNetwork{nodeName: node, clusterCIDR: pods, root: *root}.run(ctx, client)
	case "storage":
		err = provision(ctx, client, storage{nodeName: node, folder: *folder, root: *root})
	default:
		fail(fmt.Sprintf("unknown duty %q; wanted one of: network, storage", arguments[0]))
	}
	if err != nil {
		say("%v", err)
		return 1
	}
	return 0
}

// clusterClient waits until the API server answers: informers that are refused at first wait much longer.
func clusterClient(ctx context.Context) (kubernetes.Interface, error) {
	config, err := rest.InClusterConfig()
	if err != nil {
		return nil, err
	}
	// kind names it where Services may not work yet.
	if endpoint := os.Getenv("CONTROL_PLANE_ENDPOINT"); endpoint != "" {
		config.Host = "https://" + endpoint
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	until(ctx, "the API server at "+config.Host, func() error {
		_, err := client.Discovery().RESTClient().Get().AbsPath("/readyz").DoRaw(ctx)
		return err
	})
	return client, nil
}
