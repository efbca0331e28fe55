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
	files := map[string]string{kubeletConfig: kubeletYAML(o, pkiFolder), corefile: corefileText(o), podResolvConf: podResolvers(o)}
	if o.token == "" {
		// The only node's part is known beforehand; with agents each node is told its own.
		files[cniFile] = cniConfig(o.clusterCIDR, o.podCIDR(), 0)
	}
	for path, user := range map[string]string{adminKubeconfig: "admin", nodeKubeconfig: "kubelet"} {
		content := make([][]byte, 3)
		for i, name := range []string{"ca.crt", user + ".crt", user + ".key"} {
			var err error
			if content[i], err = os.ReadFile(pkiPath(name)); err != nil {
				return err
			}
		}
		files[path] = kubeconfig("https://127.0.0.1:"+o.port, content[0], content[1], content[2])
	}
	return writeAll(files)
}

func writeAll(files map[string]string) error {
	for path, content := range files {
		if err := writeWhole(path, []byte(content), 0o600); err != nil {
			return err
		}
	}
	return nil
}

func kubeconfig(server string, ca, certificate, key []byte) string {
	encode := base64.StdEncoding.EncodeToString
	return fmt.Sprintf(`apiVersion: v1
clusters:
- cluster:
    certificate-authority-data: %s
    server: %s
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
`, encode(ca), server, encode(certificate), encode(key))
}

// kubeletYAML: the host's cgroups may be version 1, and its disk is the user's: neither eviction nor image garbage
// collection may decide over a test.
func kubeletYAML(o *options, pki string) string {
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
`, pki+"/ca.crt", pki+"/kubelet.crt", pki+"/kubelet.key", o.dnsServiceIP(), o.clusterDomain, podResolvConf)
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
`, dnsPort, o.address, dnsHealthPort, o.clusterDomain, adminKubeconfig, forward)
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
