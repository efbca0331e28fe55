package main

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"regexp"
	"strings"
	"time"
)

const (
	kubeletDropIns    = "/etc/kubernetes/kubelet.conf.d"
	kindResolvConf    = "/etc/kubernetes/resolv.conf"
	forwarderCorefile = "/etc/kubernetes/Corefile"
	oldAddressFile    = kindFolder + "/old-ipv4"
	apiCertificate    = "/etc/kubernetes/pki/apiserver"
)

// prepareResolver writes the resolv.conf of pods that use the node's DNS, CoreDNS among them. Docker's own server
// listens on the node's loopback, where pods cannot reach it: CoreDNS as a process of the node passes questions on.
func prepareResolver(s *supervisor) error {
	reachable, loopback := upstreamResolvers()
	if loopback {
		corefile := fmt.Sprintf(".:53 {\n  bind %s\n  errors\n  forward . /etc/resolv.conf\n}\n", loopbackAddress)
		if err := writeWhole(forwarderCorefile, []byte(corefile), 0o644); err != nil {
			return err
		}
		s.keep(component{name: "dns-forwarder", argv: []string{"/usr/local/bin/coredns", "-conf", forwarderCorefile}})
		reachable = []string{loopbackAddress}
	}
	var text strings.Builder
	for _, server := range reachable {
		fmt.Fprintf(&text, "nameserver %s\n", server)
	}
	if search := searchDomains(); search != "" {
		fmt.Fprintf(&text, "search %s\n", search)
	}
	return writeWhole(kindResolvConf, []byte(text.String()), 0o644)
}

// searchDomains are those of kind's networking.dnsSearch, else the container's.
func searchDomains() string {
	if given, set := os.LookupEnv("KIND_DNS_SEARCH"); set {
		return given
	}
	file, err := os.Open("/etc/resolv.conf")
	if err != nil {
		return ""
	}
	defer file.Close()
	for scanner := bufio.NewScanner(file); scanner.Scan(); {
		if fields := strings.Fields(scanner.Text()); len(fields) > 1 && fields[0] == "search" {
			return strings.Join(fields[1:], " ")
		}
	}
	return ""
}

// followAddress writes a new address of the container into what kubeadm wrote with the old one. Docker may give
// another one at each start; kindest/node does the same.
func followAddress(s *supervisor) error {
	now, err := ownAddress()
	if err != nil {
		return err
	}
	content, _ := os.ReadFile(oldAddressFile)
	before := strings.TrimSpace(string(content))
	if before != "" && before != now {
		say("address was %s and is %s", before, now)
		if err := replaceAddress(s, before, now); err != nil {
			return err
		}
	}
	return writeWhole(oldAddressFile, []byte(now+"\n"), 0o644)
}

func replaceAddress(s *supervisor, before, now string) error {
	whole := regexp.MustCompile(`\b` + regexp.QuoteMeta(before) + `\b`)
	for _, file := range []string{
		"/etc/kubernetes/manifests/etcd.yaml", "/etc/kubernetes/manifests/kube-apiserver.yaml", "/etc/kubernetes/manifests/kube-controller-manager.yaml",
		"/etc/kubernetes/manifests/kube-scheduler.yaml", "/etc/kubernetes/controller-manager.conf", "/etc/kubernetes/scheduler.conf",
		"/etc/kubernetes/kubelet.conf", kindFolder + "/kubeadm.conf", kubeletFlags,
	} {
		content, err := os.ReadFile(file)
		if os.IsNotExist(err) {
			continue
		}
		if err != nil {
			return err
		}
		info, err := os.Stat(file)
		if err != nil {
			return err
		}
		if err := writeWhole(file, whole.ReplaceAll(content, []byte(now)), info.Mode()); err != nil {
			return err
		}
	}
	if _, err := os.Stat(apiCertificate + ".crt"); err != nil {
		return nil
	}
	for _, suffix := range []string{".crt", ".key"} {
		if err := os.Remove(apiCertificate + suffix); err != nil {
			return err
		}
	}
	return s.run(kubeBinary+"kubeadm", "init", "phase", "certs", "apiserver", "--config="+kindFolder+"/kubeadm.conf")
}

// ownAddress is the container's address in its network, which Docker writes into /etc/hosts.
func ownAddress() (string, error) {
	hostname, err := os.Hostname()
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	addresses, err := net.DefaultResolver.LookupNetIP(ctx, "ip4", hostname)
	if err != nil {
		return "", fmt.Errorf("own address: %w", err)
	}
	return addresses[0].Unmap().String(), nil
}
