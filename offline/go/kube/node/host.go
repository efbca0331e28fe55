package main

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// nodeAddress is the node's own address, on the loopback interface: it stays the same when Docker gives the
// container another one after a restart, so that no certificate, endpoint or pod status goes stale.
const nodeAddress = "10.41.0.1"

// prepareHost makes the container a place where a kubelet can run.
func prepareHost(s *supervisor) error {
	if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_SHARED, ""); err != nil {
		return fmt.Errorf("mounts cannot be made shared (is the container privileged?): %w", err)
	}
	if err := prepareCgroups(); err != nil {
		return fmt.Errorf("cgroups: %w", err)
	}
	if err := s.run("/usr/sbin/ip", "address", "replace", nodeAddress+"/32", "dev", "lo"); err != nil {
		return err
	}
	for _, setting := range []string{"net/ipv4/ip_forward", "net/bridge/bridge-nf-call-iptables"} {
		// Absent without the bridge module, read-only in some sandboxes; pods are routed, so only the first is needed.
		_ = os.WriteFile("/proc/sys/"+setting, []byte("1\n"), 0)
	}
	if forward, _ := os.ReadFile("/proc/sys/net/ipv4/ip_forward"); strings.TrimSpace(string(forward)) != "1" {
		return fmt.Errorf("net.ipv4.ip_forward is off and cannot be switched on")
	}
	return chooseIptables(s)
}

// prepareCgroups on version 2 moves this process out of the root group, because a group with processes cannot hand
// its controllers down. Version 1 needs nothing.
func prepareCgroups() error {
	const root = "/sys/fs/cgroup"
	controllers, err := os.ReadFile(root + "/cgroup.controllers")
	if err != nil {
		return nil
	}
	if err := os.MkdirAll(root+"/init", 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(root+"/init/cgroup.procs", []byte("0"), 0); err != nil {
		return err
	}
	for _, controller := range strings.Fields(string(controllers)) {
		if err := os.WriteFile(root+"/cgroup.subtree_control", []byte("+"+controller), 0); err != nil {
			say("cgroup controller %s cannot be handed down: %v", controller, err)
		}
	}
	return nil
}

// chooseIptables takes the variant that this kernel supports; the image's default is nft.
func chooseIptables(s *supervisor) error {
	nft := s.run("/usr/sbin/iptables-nft", "-t", "nat", "-L", "-n")
	if nft == nil {
		return nil
	}
	if legacy := s.run("/usr/sbin/iptables-legacy", "-t", "nat", "-L", "-n"); legacy != nil {
		return fmt.Errorf("neither iptables variant works: %w; %w", nft, legacy)
	}
	for _, name := range []string{"iptables", "iptables-save", "iptables-restore", "ip6tables", "ip6tables-save", "ip6tables-restore"} {
		family, suffix, _ := strings.Cut(name, "-")
		target := family + "-legacy"
		if suffix != "" {
			target += "-" + suffix
		}
		path := "/usr/local/sbin/" + name
		_ = os.Remove(path)
		if err := os.Symlink("/usr/sbin/"+target, path); err != nil {
			return err
		}
	}
	return nil
}

// upstreamResolvers are the name servers of the container that pods can reach too: none on loopback, which is
// where Docker's own server listens in networks that users make.
func upstreamResolvers() (reachable []string, loopback bool) {
	file, err := os.Open("/etc/resolv.conf")
	if err != nil {
		return nil, false
	}
	defer file.Close()
	for scanner := bufio.NewScanner(file); scanner.Scan(); {
		fields := strings.Fields(scanner.Text())
		if len(fields) < 2 || fields[0] != "nameserver" {
			continue
		}
		if ip := net.ParseIP(fields[1]); ip != nil && ip.IsLoopback() {
			loopback = true
		} else if ip != nil {
			reachable = append(reachable, fields[1])
		}
	}
	return reachable, loopback
}

func localAddresses() []string {
	var found []string
	addresses, _ := net.InterfaceAddrs()
	for _, address := range addresses {
		if network, ok := address.(*net.IPNet); ok && !network.IP.IsLinkLocalUnicast() {
			found = append(found, network.IP.String())
		}
	}
	return found
}

// writeWhole writes a file that is never seen half-written.
func writeWhole(path string, content []byte, mode os.FileMode) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	temporary := path + ".new"
	if err := os.WriteFile(temporary, content, mode); err != nil {
		return err
	}
	return os.Rename(temporary, path)
}
