package main

import (
	"fmt"
	"net/netip"
	"os"
	"strings"
)

// options are the flags of `k3s server` and `k3s agent` that this program honours.
type options struct {
	nodeName string
	// address of the node: loopbackAddress, or the container's where nodes have to reach each other.
	address string
	// token that lets agents in; a server without one takes none.
	token string
	// server is the URL of the API server, for an agent.
	server        string
	tlsSANs       []string
	nodeLabels    []string
	clusterCIDR   netip.Prefix
	serviceCIDR   netip.Prefix
	clusterDomain string
	port          string
	disabled      map[string]bool
	// extra arguments by component, e.g. kubelet -> [--max-pods=20]
	extra map[string][]string
	// ignored are flags that k3s has and this program does not
	ignored []string
}

// extraFor maps k3s' pass-through flags to components.
var extraFor = map[string]string{
	"kubelet-arg": "kubelet", "kube-apiserver-arg": "kube-apiserver", "kube-controller-manager-arg": "kube-controller-manager",
	"kube-scheduler-arg": "kube-scheduler", "kube-proxy-arg": "kube-proxy", "etcd-arg": "etcd",
}

func parseOptions(arguments []string) (*options, error) {
	hostname, err := os.Hostname()
	if err != nil {
		return nil, err
	}
	parsed := &options{
		nodeName: strings.ToLower(hostname), clusterCIDR: netip.MustParsePrefix("10.42.0.0/16"), serviceCIDR: netip.MustParsePrefix("10.43.0.0/16"),
		clusterDomain: "cluster.local", port: "6443", disabled: map[string]bool{}, extra: map[string][]string{},
		address: loopbackAddress, token: os.Getenv("K3S_TOKEN"), server: os.Getenv("K3S_URL"),
	}
	if name := os.Getenv("K3S_NODE_NAME"); name != "" {
		parsed.nodeName = name
	}
	for i := 0; i < len(arguments); i++ {
		flag, isFlag := strings.CutPrefix(arguments[i], "--")
		if !isFlag {
			return nil, fmt.Errorf("unexpected argument %q; flags look like --name=value", arguments[i])
		}
		name, value, hasValue := strings.Cut(flag, "=")
		if !hasValue && i+1 < len(arguments) && !strings.HasPrefix(arguments[i+1], "--") {
			i++
			value = arguments[i]
		}
		if err := parsed.set(name, value); err != nil {
			return nil, fmt.Errorf("--%s=%s: %w", name, value, err)
		}
	}
	return parsed, nil
}

func (o *options) set(name, value string) (err error) {
	switch name {
	case "node-name":
		o.nodeName = value
	case "server":
		o.server = value
	case "token":
		o.token = value
	case "tls-san":
		o.tlsSANs = append(o.tlsSANs, strings.Split(value, ",")...)
	case "node-label":
		o.nodeLabels = append(o.nodeLabels, strings.Split(value, ",")...)
	case "cluster-cidr":
		o.clusterCIDR, err = netip.ParsePrefix(value)
	case "service-cidr":
		o.serviceCIDR, err = netip.ParsePrefix(value)
	case "cluster-domain":
		o.clusterDomain = value
	case "https-listen-port":
		o.port = value
	case "disable":
		for _, part := range strings.Split(value, ",") {
			o.disabled[part] = true
		}
	default:
		if component, passed := extraFor[name]; passed {
			o.extra[component] = append(o.extra[component], "--"+strings.TrimPrefix(value, "--"))
		} else {
			o.ignored = append(o.ignored, "--"+name)
		}
	}
	return err
}

// podCIDR is the only node's part of the cluster's range, cut as the controller manager cuts it: the first /24.
func (o *options) podCIDR() netip.Prefix {
	return netip.PrefixFrom(o.clusterCIDR.Addr(), 24)
}

// apiServiceIP is the first address of the service range, that of Service default/kubernetes.
func (o *options) apiServiceIP() netip.Addr { return o.serviceCIDR.Masked().Addr().Next() }

// dnsServiceIP is the tenth address of the service range, as in k3s.
func (o *options) dnsServiceIP() netip.Addr {
	address := o.serviceCIDR.Masked().Addr()
	for range 10 {
		address = address.Next()
	}
	return address
}
