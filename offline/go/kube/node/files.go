package main

import (
	"encoding/base64"
	"fmt"
	"os"
	"strings"
)

const (
	stateFolder     = "/var/lib/rancher/k3s"
	storageFolder   = stateFolder + "/storage"
	userKubeconfig  = "/etc/rancher/k3s/k3s.yaml"
	adminKubeconfig = stateFolder + "/server/cred/admin.kubeconfig"
	nodeKubeconfig  = stateFolder + "/agent/kubelet.kubeconfig"
	kubeletConfig   = stateFolder + "/agent/kubelet.yaml"
	podResolvConf   = stateFolder + "/agent/resolv.conf"
	corefile        = stateFolder + "/server/Corefile"
	dnsPort         = "10053"
	dnsHealthPort   = "10054"
)

// writeFiles writes the configuration of every component; containerd's is part of the image.
func writeFiles(o *options) error {
	admin, err := kubeconfig(o, "admin")
	if err != nil {
		return err
	}
	kubelet, err := kubeconfig(o, "kubelet")
	if err != nil {
		return err
	}
	for path, content := range map[string]string{
		adminKubeconfig: admin, nodeKubeconfig: kubelet, kubeletConfig: kubeletYAML(o), corefile: corefileText(o),
		podResolvConf: podResolvers(o), cniFile: cniConfig(o.clusterCIDR, o.podCIDR(), 0),
	} {
		if err := writeWhole(path, []byte(content), 0o600); err != nil {
			return err
		}
	}
	return nil
}

func kubeconfig(o *options, user string) (string, error) {
	encoded := make([]string, 3)
	for i, name := range []string{"ca.crt", user + ".crt", user + ".key"} {
		content, err := os.ReadFile(pkiPath(name))
		if err != nil {
			return "", err
		}
		encoded[i] = base64.StdEncoding.EncodeToString(content)
	}
	return fmt.Sprintf(`apiVersion: v1
clusters:
- cluster:
    certificate-authority-data: %s
    server: https://127.0.0.1:%s
  name: default
contexts:
- context:
    cluster: default
    user: default
  name: default
current-context: default
kind: Config
preferences: {}
users:
- name: default
  user:
    client-certificate-data: %s
    client-key-data: %s
`, encoded[0], o.port, encoded[1], encoded[2]), nil
}

// kubeletYAML: the host's cgroups may be version 1, and its disk is the user's: neither eviction nor image garbage
// collection may decide over a test.
func kubeletYAML(o *options) string {
	return fmt.Sprintf(`apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
authentication:
  anonymous: {enabled: false}
  webhook: {enabled: true}
  x509: {clientCAFile: %[1]s}
authorization: {mode: Webhook}
tlsCertFile: %[2]s
tlsPrivateKeyFile: %[3]s
cgroupDriver: cgroupfs
failCgroupV1: false
failSwapOn: false
clusterDNS: [%[4]s]
clusterDomain: %[5]s
containerRuntimeEndpoint: unix:///run/k3s/containerd/containerd.sock
resolvConf: %[6]s
evictionHard: {memory.available: "0%%", nodefs.available: "0%%", nodefs.inodesFree: "0%%", imagefs.available: "0%%", imagefs.inodesFree: "0%%"}
imageGCHighThresholdPercent: 100
imageMaximumGCAge: 0s
serializeImagePulls: false
`, pkiPath("ca.crt"), pkiPath("kubelet.crt"), pkiPath("kubelet.key"), o.dnsServiceIP(), o.clusterDomain, podResolvConf)
}

func corefileText(o *options) string {
	forward := ""
	if reachable, loopback := upstreamResolvers(); len(reachable) > 0 || loopback {
		forward = "  forward . /etc/resolv.conf\n"
	}
	return fmt.Sprintf(`.:%s {
  bind %s
  errors
  health 127.0.0.1:%s
  kubernetes %s in-addr.arpa ip6.arpa {
    kubeconfig %s
    pods insecure
    fallthrough in-addr.arpa ip6.arpa
  }
  cache 30
  loop
  loadbalance
%s}
`, dnsPort, nodeAddress, dnsHealthPort, o.clusterDomain, adminKubeconfig, forward)
}

// podResolvers are for pods with dnsPolicy Default. A server on loopback is reached through the cluster's DNS.
func podResolvers(o *options) string {
	reachable, loopback := upstreamResolvers()
	if loopback {
		reachable = append([]string{o.dnsServiceIP().String()}, reachable...)
	}
	var text strings.Builder
	for _, server := range reachable {
		fmt.Fprintf(&text, "nameserver %s\n", server)
	}
	return text.String()
}
