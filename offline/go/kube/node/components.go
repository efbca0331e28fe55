package main

import "strings"

// stateful components are waited for when the container stops.
var stateful = []string{"etcd", "containerd"}

const kubeBinary = "/usr/local/lib/kube/"

var containerd = component{name: "containerd", argv: []string{"/usr/bin/containerd", "--config", "/etc/containerd/config.toml"}}

// foundation is what everything else talks to.
func foundation(o *options) []component {
	return []component{
		containerd,
		kube(o, "etcd", []string{
			// Names and values: etcd knows no defaults that suit one node on a volume that need not survive a power cut.
			"--name=node", "--data-dir=" + stateFolder + "/server/db/etcd", "--listen-client-urls=http://127.0.0.1:2379", "--advertise-client-urls=http://127.0.0.1:2379",
			"--listen-peer-urls=http://127.0.0.1:2380", "--initial-advertise-peer-urls=http://127.0.0.1:2380", "--initial-cluster=node=http://127.0.0.1:2380",
			"--unsafe-no-fsync", "--log-level=warn", "--auto-compaction-retention=1h",
		}),
		kube(o, "kube-apiserver", []string{
			"--etcd-servers=http://127.0.0.1:2379", "--secure-port=" + o.port, "--advertise-address=" + o.address, "--service-cluster-ip-range=" + o.serviceCIDR.String(),
			"--client-ca-file=" + pkiPath("ca.crt"), "--tls-cert-file=" + pkiPath("apiserver.crt"), "--tls-private-key-file=" + pkiPath("apiserver.key"),
			"--service-account-issuer=https://kubernetes.default.svc." + o.clusterDomain, "--service-account-key-file=" + pkiPath("sa.pub"),
			"--service-account-signing-key-file=" + pkiPath("sa.key"), "--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction", "--allow-privileged=true",
			"--kubelet-client-certificate=" + pkiPath("admin.crt"), "--kubelet-client-key=" + pkiPath("admin.key"), "--kubelet-certificate-authority=" + pkiPath("ca.crt"),
			"--kubelet-preferred-address-types=InternalIP", "--profiling=false",
			// The other kind keeps an address of before a restart for 15 seconds.
			"--endpoint-reconciler-type=master-count",
		}),
	}
}

// controlPlane needs the API server; each of its parts ends when that is not there.
func controlPlane(o *options) []component {
	return []component{
		kubelet(o),
		kube(o, "kube-controller-manager", []string{
			"--kubeconfig=" + adminKubeconfig, "--leader-elect=false", "--service-account-private-key-file=" + pkiPath("sa.key"), "--root-ca-file=" + pkiPath("ca.crt"),
			"--allocate-node-cidrs=true", "--cluster-cidr=" + o.clusterCIDR.String(), "--service-cluster-ip-range=" + o.serviceCIDR.String(), "--profiling=false",
			"--cluster-signing-cert-file=" + pkiPath("ca.crt"), "--cluster-signing-key-file=" + pkiPath("ca.key"),
		}),
		kube(o, "kube-scheduler", []string{"--kubeconfig=" + adminKubeconfig, "--leader-elect=false", "--profiling=false"}),
		kubeProxy(o, adminKubeconfig),
		networkPolicies(o, adminKubeconfig),
	}
}

func kubelet(o *options) component {
	return kube(o, "kubelet", []string{
		"--config=" + kubeletConfig, "--kubeconfig=" + nodeKubeconfig, "--hostname-override=" + o.nodeName, "--node-ip=" + o.address,
		"--node-labels=" + strings.Join(append([]string{"node.kubernetes.io/instance-type=" + standIn}, o.nodeLabels...), ","),
	})
}

func kubeProxy(o *options, kubeconfig string) component {
	return kube(o, "kube-proxy", []string{
		"--kubeconfig=" + kubeconfig, "--hostname-override=" + o.nodeName, "--proxy-mode=iptables", "--cluster-cidr=" + o.clusterCIDR.String(),
		// The conntrack limits are the host's and read-only here.
		"--conntrack-max-per-core=0", "--conntrack-tcp-timeout-established=0s", "--conntrack-tcp-timeout-close-wait=0s",
	})
}

func kube(o *options, name string, flags []string) component {
	return component{name: name, argv: append(append([]string{kubeBinary + name}, flags...), o.extra[name]...)}
}
