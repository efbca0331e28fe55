package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
	core "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
)

const (
	cniFile = "/etc/cni/net.d/10-pods.conflist"
	// routeProtocol marks the routes that are the agent's to remove.
	routeProtocol = 98
)

// A podNetwork connects a node's pods with those of the other nodes: the node's part of the pod range goes into the
// CNI configuration, and the parts of the others become routes to their nodes, which share one network of Docker.
type podNetwork struct {
	nodeName    string
	clusterCIDR netip.Prefix
	// root is where the node's files are seen from here: empty, or the folder where a pod has them.
	root string
}

// run follows the nodes until the context ends.
func (n podNetwork) run(ctx context.Context, client kubernetes.Interface) error {
	factory := informers.NewSharedInformerFactory(client, 0)
	nodes := factory.Core().V1().Nodes()
	changed := make(chan struct{}, 1)
	wake := func() {
		select {
		case changed <- struct{}{}:
		default:
		}
	}
	handler := cache.ResourceEventHandlerFuncs{AddFunc: func(any) { wake() }, UpdateFunc: func(_, _ any) { wake() }, DeleteFunc: func(any) { wake() }}
	if _, err := nodes.Informer().AddEventHandler(handler); err != nil {
		return err
	}
	factory.Start(ctx.Done())
	factory.WaitForCacheSync(ctx.Done())
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
		}
		until(ctx, "the routes to other nodes", func() error {
			all, err := nodes.Lister().List(labels.Everything())
			if err != nil {
				return err
			}
			return n.apply(all)
		})
	}
}

func (n podNetwork) apply(nodes []*core.Node) error {
	wanted := map[string]netlink.Route{}
	for _, node := range nodes {
		pods, err := netip.ParsePrefix(node.Spec.PodCIDR)
		if err != nil || !pods.Addr().Is4() {
			// Not given yet; the controller manager does, and this is called again.
			continue
		}
		if node.Name == n.nodeName {
			if err := n.writeCNI(pods, internalAddress(node)); err != nil {
				return err
			}
		} else if address := internalAddress(node); address != nil {
			wanted[pods.String()] = netlink.Route{Dst: &net.IPNet{IP: pods.Addr().AsSlice(), Mask: net.CIDRMask(pods.Bits(), 32)}, Gw: address, Protocol: routeProtocol}
		}
	}
	return setRoutes(wanted)
}

func (n podNetwork) writeCNI(pods netip.Prefix, address net.IP) error {
	content, path := []byte(cniConfig(n.clusterCIDR, pods, mtuOf(address))), n.root+cniFile
	if present, err := os.ReadFile(path); err == nil && bytes.Equal(present, content) {
		return nil
	}
	say("pods of this node: %s", pods)
	return writeWhole(path, content, 0o644)
}

// setRoutes makes the agent's routes these and no others.
func setRoutes(wanted map[string]netlink.Route) error {
	present, err := netlink.RouteListFiltered(netlink.FAMILY_V4, &netlink.Route{Protocol: routeProtocol, Table: unix.RT_TABLE_MAIN}, netlink.RT_FILTER_PROTOCOL|netlink.RT_FILTER_TABLE)
	if err != nil {
		return err
	}
	for _, route := range present {
		if _, keep := wanted[route.Dst.String()]; !keep {
			say("no route to %s any more", route.Dst)
			if err := netlink.RouteDel(&route); err != nil {
				return err
			}
		}
	}
	for to, route := range wanted {
		if known(present, route) {
			continue
		}
		say("route to %s by %s", to, route.Gw)
		if err := netlink.RouteReplace(&route); err != nil {
			return fmt.Errorf("route to %s by %s: %w", to, route.Gw, err)
		}
	}
	return nil
}

func known(present []netlink.Route, route netlink.Route) bool {
	for _, p := range present {
		if p.Dst.String() == route.Dst.String() && p.Gw.Equal(route.Gw) {
			return true
		}
	}
	return false
}

func internalAddress(node *core.Node) net.IP {
	for _, address := range node.Status.Addresses {
		if ip := net.ParseIP(address.Address); address.Type == core.NodeInternalIP && ip.To4() != nil {
			return ip
		}
	}
	return nil
}

// mtuOf is that of the interface with an address, which pods must not exceed; 0 leaves the choice to the plugin.
func mtuOf(address net.IP) int {
	interfaces, _ := net.Interfaces()
	for _, i := range interfaces {
		addresses, _ := i.Addrs()
		for _, a := range addresses {
			if network, ok := a.(*net.IPNet); ok && i.Flags&net.FlagLoopback == 0 && network.IP.Equal(address) {
				return i.MTU
			}
		}
	}
	return 0
}

// cniConfig gives each pod a routed point-to-point link: no bridge, so no packet between two pods of this node
// passes by the service rules, whatever the kernel's bridge settings are. The subnet is the whole cluster's, though
// only the node's part is given out: packets to other pods keep their source address, all others take the node's.
func cniConfig(cluster, pods netip.Prefix, mtu int) string {
	gateway := pods.Masked().Addr().Next()
	return fmt.Sprintf(`{"cniVersion": "1.0.0", "name": "pods", "plugins": [
  {"type": "ptp", "ipMasq": true, "mtu": %d, "ipam": {"type": "host-local", "dataDir": "/run/cni/networks", "routes": [{"dst": "0.0.0.0/0"}],
    "ranges": [[{"subnet": "%s", "rangeStart": "%s", "rangeEnd": "%s", "gateway": "%s"}]]}},
  {"type": "portmap", "capabilities": {"portMappings": true}}
]}
`, mtu, cluster.Masked(), gateway.Next(), lastUsable(pods), gateway)
}

// lastUsable is the address before the broadcast address.
func lastUsable(prefix netip.Prefix) netip.Addr {
	address := prefix.Masked().Addr().As4()
	host := uint32(1)<<(32-prefix.Bits()) - 2
	for i := 3; i >= 0; i-- {
		address[i] |= byte(host)
		host >>= 8
	}
	return netip.AddrFrom4(address)
}
